"""Which rows are for validation: at random, by user, by time, and the last of each user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets.options import PrepareOptions
from tests.samples.click_log import ROWS, click_log, prepare, refused, request, said_of, write

N = np.arange(ROWS, dtype=np.float64)


def numbers(out: Path, split: str, name: str = "n") -> np.ndarray:
    return pq.read_table(out / split)[name].to_numpy()


def source(tmp_path: Path, **changes: Any) -> Path:
    """Three files of uneven sizes."""
    table = click_log(**{"n": N, **changes})
    for i, (start, stop) in enumerate(((0, 150), (150, 160), (160, ROWS))):
        write(tmp_path / f"in/{i}.parquet", table.slice(start, stop - start))
    return tmp_path / "in"


def test_a_random_split_depends_on_the_seed_alone(tmp_path: Path) -> None:
    folder = source(tmp_path)
    prepare(folder, tmp_path / "a", valid_fraction=0.3)
    prepare(folder, tmp_path / "b", valid_fraction=0.3)
    prepare(folder, tmp_path / "c", valid_fraction=0.3, options=PrepareOptions(seed=1))
    a, b, c = (numbers(tmp_path / name, "valid") for name in "abc")
    assert a.tolist() == b.tolist()
    assert a.tolist() != c.tolist()
    assert 90 <= len(a) <= 150
    assert sorted([*a, *numbers(tmp_path / "a", "train")]) == N.tolist()


def test_all_rows_of_a_user_are_in_one_split(tmp_path: Path) -> None:
    dataset = prepare(source(tmp_path), tmp_path / "out", group_by="user")
    train, valid = (set(numbers(tmp_path / "out", split, "user")) for split in ("train", "valid"))
    assert not train & valid
    assert len(train | valid) == 30
    assert "20% of the users, with all their rows" in said_of(dataset, "split")[0]


@pytest.mark.parametrize(
    "times",
    [
        pa.array(np.random.default_rng(0).permutation(ROWS)),
        pa.array(np.random.default_rng(0).permutation(ROWS).astype(float)),
        pa.array(np.random.default_rng(0).permutation(ROWS), pa.timestamp("ns", "UTC")),
        pa.array(np.random.default_rng(0).permutation(ROWS).astype(np.int32), pa.date32()),
        pa.array(np.random.default_rng(0).permutation(ROWS).astype(np.uint64) + np.uint64(2**63)),
    ],
    ids=lambda array: str(array.type),
)
def test_the_last_rows_by_time_are_for_validation(times: pa.Array, tmp_path: Path) -> None:
    prepare(source(tmp_path, t=times), tmp_path / "out", kind="time", time_column="t", drop=("t",))
    order = np.argsort(times.cast(pa.int32()).to_numpy() if times.type == pa.date32() else times.to_numpy())
    assert sorted(numbers(tmp_path / "out", "valid")) == sorted(N[order[320:]])


def test_rows_of_one_time_stay_together(tmp_path: Path) -> None:
    prepare(source(tmp_path, t=N // 100), tmp_path / "out", kind="time", time_column="t")
    assert numbers(tmp_path / "out", "valid").tolist() == N[300:].tolist()
    prepare(source(tmp_path, t=np.where(N == 7, 0, 1)), tmp_path / "second", kind="time", time_column="t")
    assert len(numbers(tmp_path / "second", "valid")) == ROWS - 1
    prepare(source(tmp_path, t=np.where(N < 390, 0, 1)), tmp_path / "third", kind="time", time_column="t")
    assert len(numbers(tmp_path / "third", "valid")) == 10


def test_the_last_row_of_each_user_is_for_validation(tmp_path: Path) -> None:
    users, times = np.arange(ROWS) % 50, np.random.default_rng(0).permutation(ROWS)
    users[:2] = 99, 98  # who have one row each
    folder = source(tmp_path, user=users, t=times)
    prepare(folder, tmp_path / "out", kind="user-last", group_by="user", time_column="t", continuous=("t",))
    last = {user: max(times[users == user]) for user in range(50)}
    valid = pq.read_table(tmp_path / "out/valid")
    assert dict(zip(valid["user"].to_pylist(), valid["t"].to_pylist(), strict=True)) == last
    assert valid.num_rows == 50
    prepare(folder, tmp_path / "second", kind="user-last", group_by="user")
    expected = sorted(max(N[users == user]) for user in range(50))
    assert numbers(tmp_path / "second", "valid").tolist() == expected


@pytest.mark.parametrize(
    ("words", "changes", "sentence"),
    [
        ({"kind": "time", "time_column": "t"}, {"t": N * 0}, "--time-column t has the same value in every row"),
        ({"kind": "time", "time_column": "t"}, {"t": np.where(N, N, np.nan)}, "has 1 missing values"),
        ({"kind": "time", "time_column": "t"}, {"t": pa.array(["x"] * ROWS)}, "not a number or a time"),
        ({"kind": "time", "time_column": "x"}, {}, "there is no column 'x' (--time-column)"),
        ({"kind": "time", "time_column": "pric?"}, {}, "there is no column 'pric?' (--time-column)"),
        ({"group_by": "tags"}, {}, "--group-by tags is a list, but must be one value per row"),
        ({"group_by": "g"}, {"g": pa.array([None] + ["x"] * (ROWS - 1))}, "has 1 missing values"),
        ({"group_by": "g"}, {"g": pa.array([[[1]]] * ROWS)}, "by which rows cannot be split"),
    ],
)
def test_a_column_that_cannot_split_rows_is_refused(
    words: dict[str, str], changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    drop = tuple(name for name in changes if name != "n")
    assert sentence in refused(request(source(tmp_path, **changes), drop=drop, **words), tmp_path / "out")[0]


def test_a_split_without_rows_is_refused(tmp_path: Path) -> None:
    [sentence] = refused(source(tmp_path), tmp_path / "out", valid_fraction=1e-9)
    assert "the valid split has no rows" in sentence
