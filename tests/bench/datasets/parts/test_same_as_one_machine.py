"""Every source and kind of option gives the same files on a cluster of two workers as in one process, to the byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets import csv_file
from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.criteo.synthetic import prepare_synthetic_criteo
from feedrate.bench.datasets.movielens.prepare import prepare_movielens
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.parts.cluster import dask_runner
from feedrate.bench.datasets.parts.dask_runner import DaskRunner
from feedrate.bench.datasets.sequence.synthetic import prepare_synthetic_sequence
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.datasets.tables.declared import DeclaredColumns, SplitOptions, Transforms
from feedrate.bench.datasets.tables.prepare import planned, write_tables
from feedrate.bench.datasets.tables.request import TableRequest
from tests.samples.clusters.prepared_folders import contents_of
from tests.samples.movielens import random_ratings, write_csv

distributed = pytest.importorskip("distributed")
ROWS = 400_000
OPTIONS = PrepareOptions(row_group_rows=6_000, seed=3)
COLUMNS = DeclaredColumns(label="label", categorify=("user", "item"), continuous=("price", "age"), drop=("ts",))
REQUESTS = {
    "median, moments and hashes": TableRequest(
        paths=(Path("table"),),
        columns=COLUMNS,
        transforms=Transforms(
            fill={"age": "median"}, log1p=("price",), normalize=("price", "age"), min_count={"item": 20}, hash_buckets={"item": 9},
        ),
    ),
    "csv by user": TableRequest(
        paths=(Path("text"),), columns=COLUMNS, transforms=Transforms(fill={"age": "mean"}, normalize=("age",)),
        split=SplitOptions(group_by="user"), source="csv",
    ),
    "by time": TableRequest(
        paths=(Path("table"),), columns=replace(COLUMNS, drop=("ts", "age"), continuous=()),
        split=SplitOptions(kind="time", time_column="ts"),
    ),
    "last row of each user": TableRequest(
        paths=(Path("table/a.parquet"),), valid_paths=(), columns=replace(COLUMNS, drop=("ts", "age"), continuous=()),
        split=SplitOptions(kind="user-last", group_by="user", time_column="ts"),
    ),
    "files for validation": TableRequest(
        paths=(Path("table/a.parquet"),), valid_paths=(Path("table/b.parquet"),),
        columns=replace(COLUMNS, drop=("ts", "age"), continuous=()),
    ),
    "like another": TableRequest(paths=(Path("table"),), like=Path("fitted")),
}  # fmt: skip


def table(request: TableRequest) -> Callable[[Path, PrepareOptions], Dataset]:
    def prepare(folder: Path, options: PrepareOptions) -> Dataset:
        with planned(request, folder, options) as plan:
            return write_tables(plan, folder, options)

    return prepare


SOURCES: dict[str, Callable[[Path, PrepareOptions], Dataset]] = {
    "synthetic-movielens": lambda folder, options: prepare_synthetic(folder, options, rows=600_000),
    "synthetic-criteo": lambda folder, options: prepare_synthetic_criteo(folder, options, rows=340_000),
    "synthetic-sequence": lambda folder, options: prepare_synthetic_sequence(folder, options, rows=340_000),
    "movielens": lambda folder, options: prepare_movielens(Path("ml-25m"), folder, options, name="movielens-25m"),
    **{name: table(request) for name, request in REQUESTS.items()},
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables of several files and row groups, a release of MovieLens, and a dataset to be like."""
    folder, chance = tmp_path_factory.mktemp("inputs"), np.random.default_rng(0)
    values = pa.table(
        {
            "user": chance.integers(1, 900, ROWS),
            "item": [f"i{number}" for number in chance.integers(0, 5000, ROWS)],
            "price": chance.lognormal(2, 1, ROWS),
            "age": pa.array([None if age < 18 else float(age) for age in chance.integers(10, 80, ROWS)]),
            "ts": chance.integers(1_500_000_000, 1_600_000_000, ROWS),
            "label": chance.integers(0, 2, ROWS),
        }
    )
    for name in ("table", "text"):
        (folder / name).mkdir()
    pq.write_table(values.slice(0, 290_000), folder / "table" / "a.parquet", row_group_size=40_000)
    pq.write_table(values.slice(290_000), folder / "table" / "b.parquet", row_group_size=1 << 20)
    unquoted = pyarrow.csv.WriteOptions(quoting_style="none")
    pyarrow.csv.write_csv(values.slice(0, 50_000), folder / "text" / "a.csv", unquoted)
    pyarrow.csv.write_csv(values.slice(50_000, 100_000), folder / "text" / "b.csv", unquoted)
    write_csv(folder / "ml-25m", random_ratings(300_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        SOURCES["median, moments and hashes"](folder / "fitted", PrepareOptions())
    return folder


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskRunner]:
    """A real cluster, whose workers are in another folder than the one that sources are relative to."""
    folder = tmp_path_factory.mktemp("shared") / "parts"
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        dask_runner(cluster.scheduler_address, folder, print) as runner,
    ):
        yield runner


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_the_files_are_the_same(
    name: str, inputs: Path, two_workers: DaskRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inputs)
    monkeypatch.setattr(csv_file, "RANGE_BYTES", 1 << 20)
    one = SOURCES[name](tmp_path / "one", OPTIONS)
    two = SOURCES[name](tmp_path / "two", replace(OPTIONS, runner=two_workers))
    assert one.info.fingerprint == two.info.fingerprint
    expected, written = contents_of(tmp_path / "one"), contents_of(tmp_path / "two")
    assert [*expected] == [*written]
    assert [file for file in expected if expected[file] != written[file]] == []
