"""The folders of a prepared dataset are plain Parquet for every other tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.options import PrepareOptions
from tests.samples.click_log import click_log, prepare, write

READERS: dict[str, Callable[[Path], int]] = {
    "pandas": lambda folder: len(pd.read_parquet(folder)),
    "pyarrow": lambda folder: pq.read_table(folder).num_rows,
    "pyarrow.dataset": lambda folder: pyarrow.dataset.dataset(folder).to_table().num_rows,
    "polars": lambda folder: pl.read_parquet(folder).height,
    "polars, lazily": lambda folder: pl.scan_parquet(folder).collect().height,
    "duckdb": lambda folder: len(duckdb.sql(f"SELECT * FROM read_parquet('{folder}/*')").fetchall()),
    "duckdb, all files": lambda folder: len(duckdb.sql(f"SELECT * FROM '{folder}/**/*.parquet'").fetchall()),
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("readers")
    vector = pa.array([[i / 4, i / 8] for i in range(400)])
    file = write(folder / "a.parquet", click_log(city=pa.array(["Köln", None] * 200), vector=vector))
    return prepare(file, folder / "data", vector=("vector",), options=PrepareOptions(row_group_rows=50))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_split_s_folder_is_read_as_it_is(reader: str, split: str, dataset: Dataset) -> None:
    assert READERS[reader](dataset.folder / split) == dataset.info.splits[split].rows  # type: ignore[index]


def test_all_readers_see_the_same_values(dataset: Dataset) -> None:
    folder = dataset.folder / "train"
    expected = pq.read_table(folder).to_pylist()
    assert pd.read_parquet(folder, engine="pyarrow").drop(columns="tags").to_dict("records") == [
        {name: value for name, value in row.items() if name != "tags"} for row in expected
    ]
    assert pl.read_parquet(folder).to_dicts() == expected
    assert duckdb.sql(f"SELECT * FROM read_parquet('{folder}/*')").pl().to_dicts() == expected
