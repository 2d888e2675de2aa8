"""--like: what was fitted on one table is applied to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.tables.fitted import read_fitted
from feedrate.loaders.errors import FeedrateError
from tests.samples.click_log import ROWS, cities, click_log, prepare, refused, request, rows_of, said_of, write

FITTED: dict[str, Any] = {
    "fill": {"score": "median", "tags": "empty"},
    "clip": {"price": (0.1, 0.9)},
    "normalize": ("price", "score"),
    "vector": ("v",),
    "categorify": ("day",),
    "min_count": {"city": 2},
    "hash_buckets": {"city": 4},
}


def table(seed: int = 0, **changes: Any) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns = {
        "city": pa.array(cities(seed)),
        "score": pa.array([None if i % 5 == 0 else float(i) for i in range(ROWS)]),
        "v": pa.array(rng.random((ROWS, 2)).tolist()),
        "day": pa.array((np.arange(ROWS) % 11).astype(np.int32), pa.date32()),
        "tags": pa.array([None if i % 3 == 0 else [i % 4, 8] for i in range(ROWS)]),
        "n": np.arange(ROWS, dtype=np.float64),
        "unfit": pa.array([[[1]]] * ROWS),
    }
    return click_log(seed=seed, **{**columns, **changes})


@pytest.fixture
def fitted(tmp_path: Path) -> Dataset:
    return prepare(write(tmp_path / "first.parquet", table()), tmp_path / "first", **FITTED)


def test_the_same_files_give_the_same_dataset(fitted: Dataset, tmp_path: Path) -> None:
    again = prepare(tmp_path / "first.parquet", tmp_path / "again", like=fitted.folder)
    assert again.info.schema == fitted.info.schema
    assert again.info.fingerprint == fitted.info.fingerprint
    assert said_of(again, "columns") == [f"ids and transforms are those of {fitted.folder}"]
    third = prepare(tmp_path / "first.parquet", tmp_path / "third", like=again.folder)
    assert third.info.fingerprint == fitted.info.fingerprint


def test_unseen_values_have_id_zero_and_are_counted(tmp_path: Path) -> None:
    first = prepare(write(tmp_path / "a.parquet", click_log(city=pa.array(cities()))), tmp_path / "first")
    city = ["Paris"] * 10 + cities()[10:]
    file = write(tmp_path / "b.parquet", click_log(city=pa.array(city), n=np.arange(ROWS, dtype=np.float64), new=city))
    dataset = prepare(file, tmp_path / "second", like=first.folder)
    assert (rows_of(dataset)["city"].to_numpy() == 0).sum() == 10
    assert said_of(dataset, "city") == [f"10 values that {first.folder} has not seen have id 0"]
    assert said_of(dataset, "n") == ["left out (double, which the dataset of --like has not)"]
    strict = refused(request(file, like=first.folder, strict=True), tmp_path / "third")
    assert [sentence.split("'")[1] for sentence in strict] == ["n", "new"]


def test_numbers_are_scaled_as_the_first_table_was(fitted: Dataset, tmp_path: Path) -> None:
    score = [None if i % 2 else 1000.0 for i in range(ROWS)]
    file = write(tmp_path / "b.parquet", table(score=pa.array(score)))
    rows = rows_of(prepare(file, tmp_path / "second", like=fitted.folder), by="n")["score"].to_numpy()
    first = table()["score"].to_pandas()
    filled = first.fillna(first.median())
    expected = [((first.median() if s is None else s) - filled.mean()) / filled.std() for s in score]
    np.testing.assert_allclose(rows, expected, rtol=1e-5, atol=1e-6)


def test_a_csv_column_that_was_text_stays_text(tmp_path: Path) -> None:
    for name, codes in (("a", ("007", "1.50", "True")), ("b", ("1.50", "1.50", "1.50")), ("c", ("True", "True", "x"))):
        lines = [f"{codes[i % 3]},{i},{i % 2}" for i in range(60)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["code,n,clicked", *lines]))
    first = prepare(request(tmp_path / "a.csv", continuous=("n",)), tmp_path / "first")
    ids = {code: 1 + i for i, code in enumerate(sorted(("007", "1.50", "True")))}
    second = prepare(request(tmp_path / "b.csv", like=first.folder), tmp_path / "second")
    assert set(rows_of(second)["code"].to_pylist()) == {ids["1.50"]}
    third = prepare(request(tmp_path / "c.csv", like=first.folder), tmp_path / "third")
    assert set(rows_of(third)["code"].to_pylist()) == {ids["True"], 0}


def test_a_folder_that_was_text_stays_text(tmp_path: Path) -> None:
    for key in ("007", "x"):
        write(tmp_path / f"first in/k={key}/a.parquet", click_log())
    write(tmp_path / "second in/k=007/a.parquet", click_log())
    first = prepare(tmp_path / "first in", tmp_path / "first")
    second = prepare(request(tmp_path / "second in", like=first.folder), tmp_path / "second")
    assert set(rows_of(second)["k"].to_pylist()) == {1}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"user": np.full(ROWS, 30)}, "column 'user' has the id 30, but the dataset of --like has ids below 30"),
        ({"v": pa.array([[1.0]] * ROWS)}, "column 'v' has lists of 1 numbers, but the dataset of --like has 2"),
        ({"city": None}, "the files have no column 'city', which the dataset of --like has"),
        ({"price": pa.array(["5"] * ROWS)}, "column 'price' is string, but the dataset of --like was made of double"),
        ({"city": np.arange(ROWS)}, "column 'city' is int64, but the dataset of --like was made of large_string"),
        ({"user": pa.array([None] * ROWS, pa.int64())}, "column 'user' in"),
        ({"user": [[1]] * ROWS}, "column 'user' is list<element: int64>, but the dataset of --like was made of int64"),
        ({"tags": np.arange(ROWS)}, "column 'tags' is int64, but the dataset of --like was made of large_list"),
        ({"day": np.arange(ROWS) % 11}, "column 'day' is int64, but the dataset of --like was made of date32"),
        ({"day": pa.array(np.arange(ROWS), pa.timestamp("s"))}, "column 'day' is timestamp[ms], but"),
        ({"clicked": np.full(ROWS, 3)}, "has the value 3, not 0 or 1"),
    ],
)
def test_what_the_first_table_does_not_hold_is_refused(
    changes: dict[str, Any], sentence: str, fitted: Dataset, tmp_path: Path
) -> None:
    file = write(tmp_path / "b.parquet", table(**changes))
    said = refused(request(file, like=fitted.folder), tmp_path / "second")
    assert any(sentence in line for line in said), said


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.array([True, False] * (ROWS // 2)), pa.array(np.arange(ROWS) % 3)),
        (pa.array(np.arange(ROWS), pa.timestamp("us")), pa.array(np.arange(ROWS), pa.timestamp("us", "UTC"))),
        (pa.array(np.arange(ROWS)).cast(pa.decimal128(21, 2)), pa.array(np.arange(ROWS) + 0.001)),
    ],
)
def test_ids_of_one_meaning_are_not_looked_up_with_another(first: pa.Array, second: pa.Array, tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", click_log(x=first))
    dataset = prepare(file, tmp_path / "first", single_hot=("x",), categorify=("x",))
    [sentence] = refused(
        request(write(tmp_path / "b.parquet", click_log(x=second)), like=dataset.folder), tmp_path / "second"
    )
    assert f"column 'x' is {second.type}, but the dataset of --like was made of" in sentence


def test_a_label_may_be_boolean_in_one_table_and_a_number_in_the_other(tmp_path: Path) -> None:
    for name, other, kind in (("a", "b", pa.bool_()), ("c", "d", pa.int8())):
        clicked = pa.array([i % 2 for i in range(ROWS)])
        first = prepare(write(tmp_path / f"{name}.parquet", click_log(clicked=clicked.cast(kind))), tmp_path / name)
        new = write(
            tmp_path / f"{other}.parquet",
            click_log(clicked=clicked.cast(pa.bool_() if kind != pa.bool_() else pa.int8())),
        )
        second = prepare(request(new, like=first.folder), tmp_path / other)
        assert second.info.fingerprint == first.info.fingerprint


def test_a_column_of_the_split_must_be_there(fitted: Dataset, tmp_path: Path) -> None:
    wanted = request(tmp_path / "first.parquet", like=fitted.folder, kind="time", time_column="when")
    [sentence] = refused(wanted, tmp_path / "second")
    assert "there is no column 'when' (--time-column" in sentence


def test_other_options_of_columns_do_not_go_with_like(fitted: Dataset, tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match="--like"):
        request(tmp_path / "first.parquet", like=fitted.folder, fill={"price": "zero"})


def test_a_dataset_without_what_was_fitted_is_refused(small: Dataset, fitted: Dataset, tmp_path: Path) -> None:
    assert "has no fitted/fitted.json" in refused(request(tmp_path, like=small.folder), tmp_path / "out")[0]
    (fitted.folder / "fitted/fitted.json").write_text("{")
    with pytest.raises(FeedrateError, match="cannot be read"):
        read_fitted(fitted.folder)
