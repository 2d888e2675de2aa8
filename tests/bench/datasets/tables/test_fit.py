"""Transforms against pandas: fill, clip, log1p, normalize, rare values and hash buckets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from feedrate.bench.datasets.tables.categories import bucket
from tests.samples.click_log import cardinalities, cities, click_log, prepare, rows_of, said_of, write

ROWS = 300


@pytest.fixture
def gaps() -> pd.Series:
    """Numbers of long tails, a fifth of them missing as null or NaN."""
    rng = np.random.default_rng(3)
    values = pd.Series(rng.exponential(50, ROWS).round(3) - 5)
    values[rng.random(ROWS) < 0.2] = np.nan
    return values


@pytest.fixture
def file(gaps: pd.Series, tmp_path: Path) -> Path:
    mask = gaps.isna().to_numpy() & (np.arange(ROWS) % 2 == 0)  # half of the gaps are nulls, half NaN
    table = click_log(ROWS, n=np.arange(ROWS, dtype=np.float64), x=pa.array(gaps.to_numpy(), mask=mask))
    for i in range(3):
        write(tmp_path / f"in/{i}.parquet", table.slice(100 * i, 100), row_group_size=33)
    return tmp_path / "in"


def written(file: Path, out: Path, **words: object) -> np.ndarray:
    return rows_of(prepare(file, out, **words), by="n")["x"].to_numpy()


@pytest.mark.parametrize("fill", ["zero", "median", "mean", 2.5, 3])
def test_missing_numbers_are_filled(fill: float | str, gaps: pd.Series, file: Path, tmp_path: Path) -> None:
    by = {"zero": 0.0, "median": gaps.median(), "mean": gaps.mean()}.get(fill, fill)  # type: ignore[call-overload]
    np.testing.assert_allclose(written(file, tmp_path / "out", fill={"x": fill}), gaps.fillna(by), rtol=1e-6)


def test_steps_are_done_in_their_order(gaps: pd.Series, file: Path, tmp_path: Path) -> None:
    words = {"fill": {"x": "median"}, "clip": {"x": (0.0, 100.0)}, "log1p": ("x",), "normalize": ("x",)}
    shaped = np.log1p(gaps.fillna(gaps.median()).clip(0, 100))
    expected = (shaped - shaped.mean()) / shaped.std()
    np.testing.assert_allclose(written(file, tmp_path / "out", **words), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("bounds", "lower", "upper"), [((None, 10.0), None, 10), ((3.0, None), 3, None)])
def test_one_bound_may_be_left_out(
    bounds: tuple[float | None, float | None],
    lower: float | None,
    upper: float | None,
    gaps: pd.Series,
    file: Path,
    tmp_path: Path,
) -> None:
    rows = written(file, tmp_path / "out", fill={"x": "zero"}, clip={"x": bounds})
    np.testing.assert_allclose(rows, gaps.fillna(0).clip(lower, upper), rtol=1e-6)


def test_a_constant_column_is_normalized_to_zero(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", click_log(price=np.full(400, 7.5)))
    dataset = prepare(file, tmp_path / "out", normalize=("price",))
    assert set(rows_of(dataset)["price"].to_pylist()) == {0.0}


def test_the_places_of_a_vector_share_the_steps_of_the_column(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).random((400, 3)) * 10
    file = write(tmp_path / "a.parquet", click_log(v=pa.array(vectors.tolist()), n=np.arange(400.0)))
    dataset = prepare(file, tmp_path / "out", vector=("v",), clip={"v": (1.0, 9.0)}, log1p=("v",))
    rows = rows_of(dataset, by="n")
    for i in range(3):
        np.testing.assert_allclose(rows[f"v.{i}"], np.log1p(vectors[:, i].clip(1, 9)), rtol=1e-6)


def test_null_lists_become_empty_ones_on_request(tmp_path: Path) -> None:
    tags = [None if i % 4 == 0 else [i % 5] for i in range(400)]
    file = write(tmp_path / "a.parquet", click_log(tags=pa.array(tags), n=np.arange(400.0)))
    dataset = prepare(file, tmp_path / "out", fill={"tags": "empty"})
    assert rows_of(dataset, by="n")["tags"].to_pylist() == [value or [] for value in tags]
    assert "100 missing values are filled with empty" in said_of(dataset, "tags")


def test_missing_ids_are_filled_with_the_id_that_is_said(tmp_path: Path) -> None:
    users = [None if i % 4 == 0 else i % 7 for i in range(400)]
    file = write(tmp_path / "a.parquet", click_log(user=pa.array(users), n=np.arange(400.0)))
    dataset = prepare(file, tmp_path / "out", fill={"user": 9.0})
    assert rows_of(dataset, by="n")["user"].to_pylist() == [9 if value is None else value for value in users]
    assert cardinalities(dataset)["user"] == 10
    assert said_of(dataset, "user")[-1] == "100 missing values are filled with 9.0"


def test_rare_values_have_id_zero(tmp_path: Path) -> None:
    words = [f"w{i}" for i in np.random.default_rng(0).geometric(0.15, 400)]
    file = write(tmp_path / "a.parquet", click_log(word=pa.array(words), n=np.arange(400.0)))
    dataset = prepare(file, tmp_path / "out", min_count={"*": 5})
    counts = pd.Series(words).value_counts()
    frequent = counts[counts >= 5]
    order = sorted(frequent.index, key=lambda word: (-frequent[word], word))
    ids = {word: 1 + i for i, word in enumerate(order)}
    assert rows_of(dataset, by="n")["word"].to_pylist() == [ids.get(word, 0) for word in words]
    assert cardinalities(dataset)["word"] == 1 + len(frequent)
    assert (
        said_of(dataset, "word")[-1] == f"{len(counts) - len(frequent)} values that occur less than 5 times have id 0"
    )


def test_values_are_hashed_to_buckets_and_missing_ones_are_not(tmp_path: Path) -> None:
    words = [None if i % 9 == 0 else name for i, name in enumerate(cities())]
    file = write(tmp_path / "a.parquet", click_log(city=pa.array(words), n=np.arange(400.0)))
    dataset = prepare(file, tmp_path / "out", hash_buckets={"city": 3})
    expected = [0 if word is None else 1 + bucket(word.encode(), 3) for word in words]
    assert rows_of(dataset, by="n")["city"].to_pylist() == expected
    assert cardinalities(dataset)["city"] == 4


def test_rare_values_are_hashed_behind_the_frequent_ones(tmp_path: Path) -> None:
    words = ["often"] * 300 + [f"rare {i}" for i in range(100)]
    file = write(tmp_path / "a.parquet", click_log(word=pa.array(words), n=np.arange(400.0)))
    dataset = prepare(file, tmp_path / "out", min_count={"word": 2}, hash_buckets={"word": 10})
    rows = rows_of(dataset, by="n")["word"].to_numpy()
    assert cardinalities(dataset)["word"] == 12
    assert set(rows[:300]) == {1}
    assert rows[300:].min() >= 2
    assert rows[300:].tolist() == [2 + bucket(f"rare {i}".encode(), 10) for i in range(100)]


def test_the_id_of_a_value_does_not_depend_on_how_rows_are_split_over_files(tmp_path: Path) -> None:
    table = click_log(city=pa.array(cities()), n=np.arange(400.0))
    write(tmp_path / "one/a.parquet", table)
    for i in range(4):
        write(tmp_path / f"four/{i}.parquet", table.slice(100 * i, 100))
    one, four = (prepare(tmp_path / name, tmp_path / f"{name}-out") for name in ("one", "four"))
    assert one.info.fingerprint == four.info.fingerprint
