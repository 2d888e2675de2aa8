"""A user's own Parquet: kinds inferred, ids kept or made, and every broken input said in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.parquet import LabelAndSplit, prepare_parquet
from feedrate.bench.datasets.parquet_columns import DeclaredColumns, infer_columns
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import read_columns

ROWS = 400


def _table(**changes: Any) -> pa.Table:
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {
        "user": rng.integers(0, 30, ROWS),
        "city": pa.array([("Rome", "Oslo", "Lima", None)[i] for i in rng.integers(0, 4, ROWS)]),
        "tags": pa.array([rng.integers(0, 9, n).tolist() for n in rng.integers(0, 5, ROWS)], pa.list_(pa.int64())),
        "age": rng.random(ROWS),
        "clicked": rng.integers(0, 2, ROWS),
    }
    return pa.table({**columns, **changes})


def _prepare(source: Path, out: Path, *, label_above: float | None = None, **declared: Any) -> Dataset:
    columns = infer_columns(source, DeclaredColumns(**{"label": "clicked", **declared}))
    return prepare_parquet(source, out, columns, how=LabelAndSplit(label_above=label_above))


def _written(tmp_path: Path, table: pa.Table, name: str = "a.parquet") -> Path:
    folder = tmp_path / "in"
    folder.mkdir(exist_ok=True)
    pq.write_table(table, folder / name, row_group_size=100)
    return folder


def test_kinds_are_inferred_from_the_types(tmp_path: Path) -> None:
    table = _table(when=pa.array([0] * ROWS, pa.timestamp("ms")))
    columns = infer_columns(_written(tmp_path, table), DeclaredColumns(label="clicked"))
    assert (columns.single_hot, columns.multi_hot, columns.continuous) == (("user", "city"), ("tags",), ("age",))
    assert columns.categorify == {"city"}
    assert columns.left_out == {"when": "timestamp[ms]"}


def test_what_is_said_comes_before_what_is_inferred(tmp_path: Path) -> None:
    columns = infer_columns(
        _written(tmp_path, _table()), DeclaredColumns(label="clicked", continuous=("user",), drop=("city",))
    )
    assert (columns.single_hot, columns.continuous) == ((), ("user", "age"))
    assert "city" in columns.left_out


def test_the_rows_come_out_as_they_went_in(tmp_path: Path) -> None:
    table = _table(n=pa.array(range(ROWS)))
    dataset = _prepare(_written(tmp_path, table), tmp_path / "out")
    cities = _city_names(table)
    total = 0
    for split in ("train", "valid"):
        columns = read_columns(dataset.split(split))  # type: ignore[arg-type]
        values, offsets = columns.bags["tags"]
        for i, row in enumerate(columns.ids["n"].tolist()):
            source = {name: table[name][row].as_py() for name in table.column_names}
            assert columns.ids["user"][i] == source["user"]
            assert cities[int(columns.ids["city"][i])] == source["city"]
            assert values[offsets[i] : offsets[i + 1]].tolist() == source["tags"]
            assert columns.dense["age"][i] == np.float32(source["age"])
            assert columns.label[i] == source["clicked"]
            total += 1
    assert total == ROWS


def test_several_files_and_a_folder_within_are_one_dataset(tmp_path: Path) -> None:
    _written(tmp_path, _table())
    (tmp_path / "in" / "deep").mkdir()
    pq.write_table(_table(), tmp_path / "in" / "deep" / "b.parquet")
    dataset = _prepare(tmp_path / "in", tmp_path / "out")
    assert sum(split.rows for split in dataset.info.splits.values()) == 2 * ROWS


def test_a_label_can_be_made_binary(tmp_path: Path) -> None:
    source = _written(tmp_path, _table(clicked=np.arange(ROWS) % 5))
    dataset = _prepare(source, tmp_path / "out", label_above=2)
    labels = np.concatenate([read_columns(dataset.split(s)).label.numpy() for s in ("train", "valid")])  # type: ignore[arg-type]
    assert labels.mean() == pytest.approx(0.4)
    with pytest.raises(FeedrateError, match="--label-above is nan, but must be a finite number"):
        _prepare(source, tmp_path / "other", label_above=float("nan"))


def test_large_integers_can_be_continuous(tmp_path: Path) -> None:
    source = _written(tmp_path, _table(age=np.full(ROWS, 2**40 + 1)))
    dataset = _prepare(source, tmp_path / "out", continuous=("age",))
    assert read_columns(dataset.split("train")).dense["age"][0] == np.float32(2**40 + 1)


def test_any_values_can_be_made_ids_and_null_becomes_zero(tmp_path: Path) -> None:
    users = pa.array([None, -7, -7, 5_000_000_000] * (ROWS // 4))
    dataset = _prepare(_written(tmp_path, _table(user=users)), tmp_path / "out", categorify=("user",))
    assert dataset.info.schema.single_hot[0].cardinality == 3
    ids = np.concatenate([read_columns(dataset.split(s)).ids["user"].numpy() for s in ("train", "valid")])  # type: ignore[arg-type]
    assert np.bincount(ids).tolist() == [ROWS // 4, ROWS // 2, ROWS // 4]


def _null_list() -> Any:
    return pa.array([[1]] * (ROWS - 1) + [None], pa.list_(pa.int64()))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"clicked": [float("nan")] + [1.0] * (ROWS - 1)}, "label 'clicked' in .* has 1 empty or NaN values"),
        ({"clicked": [None] + [1] * (ROWS - 1)}, "label 'clicked' in .* has 1 empty or NaN values"),
        ({"clicked": [2] * ROWS}, "has the value 2, not 0 or 1: pass --label-above"),
        ({"clicked": ["yes"] * ROWS}, "column 'clicked' in .* is string, not a number"),
        ({"user": [-1] * ROWS}, "column 'user' in .* has the id -1, but ids start at 0"),
        ({"user": [2**31] * ROWS}, "has the id 2147483648, over the largest, 2147483646"),
        ({"tags": _null_list()}, "list column 'tags' in .* has 1 null rows"),
        (
            {"tags": pa.array([[1, None]] * ROWS, pa.list_(pa.int64()))},
            f"list column 'tags' in .* has {ROWS} nulls within",
        ),
        ({"tags": pa.array([[-3]] * ROWS, pa.list_(pa.int64()))}, "column 'tags' in .* has the id -3"),
        ({"age": [float("nan")] * ROWS}, "continuous column 'age' in .* has empty, NaN or infinite values"),
        ({"age": [1e300] * ROWS}, "continuous column 'age' in .* has empty, NaN or infinite values"),
        ({"age": [None] + [1.0] * (ROWS - 1)}, "continuous column 'age' in .* has empty, NaN or infinite values"),
    ],
)
def test_values_that_no_loader_could_use_are_refused(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        _prepare(_written(tmp_path, _table(**changes)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"label": "bought"}, "has no column 'bought' \\(--label\\): it has user, city, tags, age, clicked"),
        ({"single_hot": ("item",)}, "has no column 'item' \\(--single-hot\\)"),
        ({"single_hot": ("tags",)}, "column 'tags' is list.*cannot be --single-hot"),
        ({"single_hot": ("age",)}, "column 'age' is double, which has no ids"),
        ({"single_hot": ("user",), "continuous": ("user",)}, "column 'user' is declared with two kinds"),
        ({"single_hot": ("clicked",)}, "column 'clicked' is declared with two kinds"),
        ({"categorify": ("age",)}, "column 'age' is neither single-hot nor multi-hot"),
        ({"multi_hot": ("user",)}, "column 'user' is int64, not a list"),
        ({"drop": ("user", "city", "tags", "age")}, "has no column besides the label"),
    ],
)
def test_columns_that_are_not_there_or_not_so_are_refused(
    declared: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        _prepare(_written(tmp_path, _table()), tmp_path / "out", **declared)


def test_files_that_differ_are_refused(tmp_path: Path) -> None:
    _written(tmp_path, _table())
    source = _written(tmp_path, _table(user=[1.5] * ROWS), "b.parquet")
    with pytest.raises(
        FeedrateError, match="files differ: column 'user' is int64 in .*a.parquet and double in .*b.parquet"
    ):
        _prepare(source, tmp_path / "out")


def test_files_that_are_no_parquet_are_refused(tmp_path: Path) -> None:
    whole = (_written(tmp_path, _table()) / "a.parquet").read_bytes()
    for name, content, sentence in (
        ("empty", b"", "is empty: 0 bytes"),
        ("truncated", whole[: len(whole) // 2], "is incomplete, damaged or not a Parquet file"),
        ("torn", b"PAR1" + b"\xff" * 400 + whole[404:], "cannot be read to its end"),
        ("text", b"user,item\n1,2\n", "is incomplete, damaged or not a Parquet file"),
    ):
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(content)
        with pytest.raises(FeedrateError, match=sentence):
            _prepare(path, tmp_path / "out")


def test_no_rows_no_files_and_no_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match="has no rows"):
        _prepare(_written(tmp_path, _table().slice(0, 0)), tmp_path / "out")
    (tmp_path / "bare").mkdir()
    with pytest.raises(FeedrateError, match="has no \\*.parquet file"):
        _prepare(tmp_path / "bare", tmp_path / "out")
    with pytest.raises(FeedrateError, match="does not exist"):
        _prepare(tmp_path / "nowhere", tmp_path / "out")


def _city_names(table: pa.Table) -> list[str | None]:
    counts = {name: table["city"].to_pylist().count(name) for name in ("Rome", "Oslo", "Lima")}
    return [None, *sorted(counts, key=lambda name: (-counts[name], name))]
