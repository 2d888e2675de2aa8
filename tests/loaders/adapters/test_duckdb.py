"""duckdb keeps to the memory budget and leaves no temporary folder."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from feedrate.loaders.adapters.duckdb import ADAPTER, DuckDBOptions
from feedrate.loaders.base import Categorical, LoaderConfig, Schema, Split
from feedrate.loaders.errors import FeedrateError

pytest.importorskip("duckdb", reason="duckdb is not installed: run `pip install 'feedrate[duckdb]'`")


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def test_the_temporary_folder_is_gone_after_close(planted: Split, parent: Path) -> None:
    loader = ADAPTER.open(planted, LoaderConfig(batch_size=512), DuckDBOptions())
    assert len(list(parent.iterdir())) == 1
    next(iter(loader.epoch(0)))
    loader.close()
    assert list(parent.iterdir()) == []


def test_a_budget_that_the_rows_do_not_fit_into_is_refused_by_name(planted: Split, parent: Path) -> None:
    with pytest.raises(FeedrateError, match="duckdb cannot hold the rows in 300,000 bytes: raise --memory-budget"):
        ADAPTER.open(planted, LoaderConfig(memory_budget_bytes=300_000), DuckDBOptions())
    assert list(parent.iterdir()) == []


def test_a_quote_in_a_column_name_is_no_end_of_the_name(planted: Split, tmp_path: Path) -> None:
    table = pq.read_table(planted.files[0], columns=["row", "label"]).rename_columns(['a"b', "label"])
    pq.write_table(table, tmp_path / "quoted.parquet")
    schema = Schema(single_hot=(Categorical(name='a"b', cardinality=planted.rows),), label="label")
    split = Split(files=(tmp_path / "quoted.parquet",), rows=len(table), schema=schema)
    loader = ADAPTER.open(split, replace(LoaderConfig(), shuffle=False), DuckDBOptions())
    [batch] = loader.epoch(0)
    assert batch.ids['a"b'].tolist() == table['a"b'].to_pylist()
