"""The same table through feedrate's ETL and through NVTabular's operators: the same rows, numbers and categories."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets.canonical import Dataset, SplitName
from feedrate.bench.datasets.options import DEFAULTS
from feedrate.bench.datasets.tables.declared import DeclaredColumns, Transforms
from feedrate.bench.datasets.tables.fitted import read_fitted
from feedrate.bench.datasets.tables.prepare import planned, write_tables
from feedrate.bench.datasets.tables.provenance import require_same_table
from feedrate.bench.datasets.tables.request import TableRequest
from feedrate.bench.datasets.workflows import raw_parts
from feedrate.bench.datasets.workflows.process import WORKFLOW, runs_on_gpu
from feedrate.bench.datasets.workflows.tables import for_nvtabular, write_with_nvtabular
from feedrate.loaders.errors import Faults, FeedrateError
from feedrate.loaders.parquet.columns import Columns, read_columns

ROWS = 2_000
SPLITS: tuple[SplitName, ...] = ("train", "valid")
BUCKETS = 7


@dataclass(frozen=True)
class Prepared:
    """A table, and what both ETLs made of it."""

    source: Path
    table: pa.Table
    ours: Dataset
    theirs: Dataset

    def sides(self) -> tuple[list[Columns], list[Columns]]:
        ours, theirs = (
            [read_columns(dataset.split(split)) for split in SPLITS] for dataset in (self.ours, self.theirs)
        )
        return ours, theirs

    def ids(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The ids of both, in the order of their rows."""
        ours, theirs = (np.concatenate([columns.ids[name] for columns in side]) for side in self.sides())
        return ours, theirs

    def values(self, name: str) -> list[Any]:
        """The source's values in the order of the datasets' rows, which the column "row" tells."""
        values = self.table[name].to_pylist()
        return [values[row] for row in self.ids("row")[1]]


def a_table() -> pa.Table:
    rng = np.random.default_rng(4)
    draws = rng.zipf(1.6, ROWS) % 300

    def with_gaps(values: Iterable[Any]) -> list[Any]:
        return [None if gap else value for value, gap in zip(values, rng.random(ROWS) < 0.1, strict=True)]

    return pa.table(
        {
            "row": pa.array(range(ROWS), pa.int32()),
            "text": with_gaps(f"v{draw}" for draw in draws),
            "rare": with_gaps(f"v{draw}" for draw in draws),
            "count": pa.array(with_gaps(int(draw) % 9 for draw in draws), pa.int64()),
            "big": pa.array(with_gaps(2**60 + int(draw) % 9 for draw in draws), pa.int64()),
            "score": [float("nan") if draw % 9 == 5 else -0.0 if draw % 9 else 0.0 for draw in draws],
            "bytes": [bytes((255, draw % 5)) for draw in draws],
            "order": [f"o{draw % 4}" for draw in draws],
            "hashed": with_gaps(f"v{draw}" for draw in draws),
            "partly": pa.array(draws, pa.int64()),
            "late": [None] * 700 + ["only late"] * (ROWS - 700),
            "tags": [[f"t{tag % 30}" for tag in rng.zipf(1.7, rng.integers(0, 4))] for _ in range(ROWS)],
            "price": with_gaps(rng.lognormal(2, 2, ROWS)),
            "mean": with_gaps(rng.normal(5, 2, ROWS)),
            "raw": rng.normal(size=ROWS),
            "vector": pa.array(rng.normal(3, 1, (ROWS, 2)).tolist(), pa.list_(pa.float32())),
            "clicked": rng.integers(0, 2, ROWS),
        }
    )


def request(source: Path, etl: Any = "nvtabular", **transforms: Any) -> TableRequest:
    columns = DeclaredColumns(
        label="clicked",
        single_hot=("score", "late", "bytes"),
        vector=("vec*",),
        categorify=("count", "big", "score", "bytes", "partly"),
    )
    return TableRequest(paths=(source,), columns=columns, transforms=Transforms(**transforms), etl=etl)


OPTIONS = {
    "fill": {"price": "median", "mean": "mean"},
    "clip": {"price": (0.5, 900.0)},
    "log1p": ("price",),
    "normalize": ("price", "vector"),
    "min_count": {"rare": 20, "partly": 20, "tags": 3},
    "hash_buckets": {"hashed": BUCKETS, "partly": BUCKETS},
}


@pytest.fixture(scope="module")
def prepared(nvtabular_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("tables")
    source, table = folder / "in.parquet", a_table()
    pq.write_table(table, source)
    with planned(request(source, "feedrate", **OPTIONS)) as plan:
        ours = write_tables(plan, folder / "ours")
    with planned(request(source, **OPTIONS)) as plan, pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_parts, "PART_ROWS", 300)  # parts without a value, and statistics over several parts
        theirs = write_with_nvtabular(for_nvtabular(plan), folder / "theirs")
    return Prepared(source, table, ours, theirs)


def test_rows_labels_and_columns_that_nothing_is_done_to_are_identical(prepared: Prepared) -> None:
    for first, second in zip(*prepared.sides(), strict=True):
        assert first.rows == second.rows
        assert np.array_equal(first.ids["row"], second.ids["row"])
        assert np.array_equal(first.label, second.label)
        assert np.array_equal(first.dense["raw"], second.dense["raw"])


def test_continuous_columns_are_equal_within_the_rounding_of_float32(prepared: Prepared) -> None:
    assert prepared.ours.info.schema.continuous == prepared.theirs.info.schema.continuous
    for first, second in zip(*prepared.sides(), strict=True):
        for name in ("price", "mean", "vector.0", "vector.1"):
            assert np.allclose(first.dense[name], second.dense[name], rtol=2e-6, atol=2e-6)
            assert len(np.unique(second.dense[name])) > 100


@pytest.mark.parametrize("name", ["text", "count", "big", "order", "score", "bytes", "rare", "late"])
def test_categories_are_equal_up_to_a_one_to_one_renaming(prepared: Prepared, name: str) -> None:
    ours, theirs = prepared.ids(name)
    missing = np.array([value is None for value in prepared.values(name)])
    assert set(theirs[missing]) <= {1}
    assert not set(theirs[~missing]) & {0, 1}
    one_to_one(ours[~missing], theirs[~missing])
    if name == "rare":
        assert set(theirs[~missing & (ours == 0)]) == {2}


def test_bags_are_equal_up_to_a_one_to_one_renaming(prepared: Prepared) -> None:
    first, second = prepared.sides()
    one_to_one(*(np.concatenate([columns.bags["tags"][0] for columns in side]) for side in (first, second)))
    for ours, theirs in zip(first, second, strict=True):
        assert ours.bags["tags"][1].tolist() == theirs.bags["tags"][1].tolist()


def one_to_one(first: np.ndarray, second: np.ndarray) -> None:
    pairs = np.unique(np.stack([first, second], 1), axis=0)
    assert len(pairs) == len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1]))


def test_hashed_values_have_an_id_within_the_buckets_and_equal_values_have_equal_ids(prepared: Prepared) -> None:
    for name in ("hashed", "partly"):
        ours, theirs = prepared.ids(name)
        values = np.array([str(value) for value in prepared.values(name)])
        known = values != "None"
        hashed = known & (
            (ours > prepared_cardinality(prepared.ours, name) - 1 - BUCKETS) if name == "partly" else known
        )
        assert set(theirs[hashed]) <= set(range(2, 2 + BUCKETS))
        assert len(set(theirs[hashed])) > 1
        assert set(theirs[~known]) <= {1}
        assert all(len(set(theirs[values == value])) == 1 for value in set(values))
        one_to_one(ours[known & ~hashed], theirs[known & ~hashed])


def prepared_cardinality(dataset: Dataset, name: str) -> int:
    return next(column.cardinality for column in dataset.info.schema.single_hot if column.name == name)


def test_cardinalities_and_what_differs_are_recorded(prepared: Prepared) -> None:
    assert prepared_cardinality(prepared.theirs, "text") == prepared_cardinality(prepared.ours, "text") + 2
    assert prepared_cardinality(prepared.theirs, "hashed") == BUCKETS + 2
    assert prepared.theirs.info.provenance["etl"] == "nvtabular 23.08.00 on pandas"
    assert (prepared.theirs.folder / WORKFLOW / "metadata.json").is_file()
    said = {(decision.subject, decision.what) for decision in prepared.theirs.info.decisions}
    assert ("big", "NVTabular gets its values as text") in said
    assert ("bytes", "NVTabular gets its values as hexadecimal text") in said
    assert ("order", "NVTabular gets it under the name column-7") in said
    missing = prepared.table["text"].null_count
    assert ("text", f"{missing} missing values have id 1") in said


def test_if_missing_tells_the_etls_apart_and_like_refuses_nvtabulars(prepared: Prepared) -> None:
    require_same_table(prepared.theirs, request(prepared.source, **OPTIONS), DEFAULTS, prepared.theirs.folder)
    with pytest.raises(FeedrateError, match="etl"):
        other = request(prepared.source, "feedrate", **OPTIONS)
        require_same_table(prepared.theirs, other, DEFAULTS, prepared.theirs.folder)
    with pytest.raises(FeedrateError, match="prepared with --etl nvtabular"):
        read_fitted(prepared.theirs.folder)
    with pytest.raises(FeedrateError, match="does not go with --etl nvtabular"):
        TableRequest(paths=(prepared.source,), like=prepared.ours.folder, etl="nvtabular")


@pytest.mark.usefixtures("nvtabular_installed")
def test_moments_that_lose_the_digits_of_large_numbers_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    times = 1.6e9 + np.random.default_rng(0).normal(size=400)
    pq.write_table(pa.table({"time": times, "clicked": [0, 1] * 200}), tmp_path / "in.parquet")
    columns = DeclaredColumns(label="clicked")
    made = TableRequest(
        paths=(tmp_path / "in.parquet",),
        columns=columns,
        transforms=Transforms(normalize=("time",)),
        etl="nvtabular",
    )
    with planned(made) as plan, pytest.raises(FeedrateError, match="NVTabular normalizes column 'time' by mean"):
        write_with_nvtabular(for_nvtabular(plan), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize(
    ("values", "options", "sentence"),
    [
        (
            [["a"], ["b", None]],
            {},
            "list column 'x' has 1 nulls within its lists, which NVTabular takes for rare values",
        ),
        ([["a"], ["b"]], {"hash_buckets": {"x": 4}}, "list column 'x' has hash buckets"),
        ([[1.0, None], [1.0, 2.0]], {"fill": {"x": 0.0}}, "vector 'x' is filled or clipped"),
        ([1, 2], {}, "nothing to do here"),
        (pa.array([None, None], pa.string()), {}, "column 'x' has no value, and NVTabular's Categorify fails"),
    ],
)
def test_what_nvtabular_cannot_do_is_refused_with_the_column(
    tmp_path: Path, values: Any, options: dict[str, Any], sentence: str
) -> None:
    pq.write_table(pa.table({"x": values, "clicked": [0, 1]}), tmp_path / "in.parquet")
    vector = isinstance(values, list) and isinstance(values[0], list) and isinstance(values[0][0], float)
    single = ("x",) if isinstance(values, pa.Array) else ()
    columns = DeclaredColumns(label="clicked", vector=("x",) if vector else (), single_hot=single)
    made = TableRequest(
        paths=(tmp_path / "in.parquet",), columns=columns, transforms=Transforms(**options), etl="nvtabular"
    )
    with planned(made) as plan, pytest.raises(Faults, match=sentence):
        for_nvtabular(plan)


@pytest.mark.usefixtures("nvtabular_installed")
def test_a_part_with_only_empty_lists_is_refused_before_nvtabular_fails_for_it(tmp_path: Path) -> None:
    table = pa.table({"x": [["a"]] * 40 + [[]] * 40, "y": ["b"] * 80, "clicked": [0, 1] * 40})
    pq.write_table(table, tmp_path / "in.parquet")
    made = TableRequest(paths=(tmp_path / "in.parquet",), columns=DeclaredColumns(label="clicked"), etl="nvtabular")
    with planned(made) as plan, pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_parts, "PART_ROWS", 10)
        with pytest.raises(FeedrateError, match="column 'x' has only empty lists in the 10 rows of the train split"):
            write_with_nvtabular(for_nvtabular(plan), tmp_path / "out")


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize(("gpu", "cudf"), [(True, True), (True, False), (False, True)])
def test_only_tables_without_lists_run_on_cudf(lists: bool, gpu: bool, cudf: bool) -> None:
    assert runs_on_gpu(lists=lists, gpu=gpu, cudf=cudf) == (gpu and cudf and not lists)
