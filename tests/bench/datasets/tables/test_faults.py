"""Values that no loader could use, or that only an option of the user's may change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.samples.click_log import ROWS, click_log, numbered, prepare, refused, rows_of, said_of, write

NULL_LIST = pa.array([[1]] * (ROWS - 1) + [None], pa.list_(pa.int64()))
NULL_INSIDE = pa.array([[1, None]] * ROWS, pa.list_(pa.int64()))
UNEVEN = pa.array([[1.0, 2.0]] * (ROWS - 1) + [[1.0]], pa.list_(pa.float64()))


@pytest.mark.parametrize(
    ("changes", "declared", "sentence"),
    [
        ({"clicked": [float("nan")] + [1.0] * (ROWS - 1)}, {}, "label 'clicked' in {file} has 1 missing or NaN values"),
        ({"clicked": [None] + [1] * (ROWS - 1)}, {}, "label 'clicked' in {file} has 1 missing or NaN values"),
        ({"clicked": [2] * ROWS}, {}, "has the value 2, not 0 or 1: pass --label-above"),
        ({"clicked": [0.5] * ROWS}, {}, "has the value 0.5, not 0 or 1"),
        ({"user": [-1] * ROWS}, {}, "column 'user' in {file} has the id -1, but ids start at 0: pass --categorify"),
        ({"user": [2**31] * ROWS}, {}, "has the id 2147483648, over the largest, 2147483646"),
        (
            {"user": pa.array([2**64 - 1] * ROWS, pa.uint64())},
            {},
            "has the id 18446744073709551615, over the largest",
        ),
        ({"tags": NULL_LIST}, {}, "list column 'tags' in {file} has 1 null rows: pass --fill tags=empty"),
        ({"tags": NULL_INSIDE}, {}, "column 'tags' in {file} has 400 nulls within its lists: pass --categorify tags"),
        ({"tags": pa.array([[-3]] * ROWS, pa.list_(pa.int64()))}, {}, "column 'tags' in {file} has the id -3"),
        ({"price": [float("nan")] * ROWS}, {}, "column 'price' in {file} has 400 missing or NaN values"),
        ({"price": [None] + [1.0] * (ROWS - 1)}, {}, "column 'price' in {file} has 1 missing or NaN values"),
        ({"price": [1e300] * ROWS}, {}, "has the value 1e+300, which float32 does not hold: pass --clip price="),
        ({"price": [float("inf")] * ROWS}, {}, "has the value inf, which float32 does not hold"),
        ({"v": UNEVEN}, {"vector": ("v",)}, "column 'v' has 0 null lists and lists of 1 to 2 numbers"),
        ({"v": pa.array([[]] * ROWS, pa.list_(pa.float32()))}, {"vector": ("v",)}, "'v' has only empty lists"),
        ({}, {"min_count": {"*": 2}}, "--min-count needs a column whose values become ids, and there is none"),
        ({}, {"log1p": ("price",), "clip": {"price": (-5.0, -2.0)}}, "which is too small for --log1p: pass --clip"),
        ({}, {"log1p": ("user",)}, "--log1p user needs a continuous column, and 'user' is single-hot"),
        ({}, {"clip": {"tags": (0.0, 1.0)}}, "--clip tags needs a continuous column, and 'tags' is multi-hot"),
        ({}, {"normalize": ("clicked",)}, "--normalize clicked needs a continuous column, and 'clicked' is label"),
        ({}, {"min_count": {"user": 3}}, "--min-count user needs a column whose values become ids"),
        ({}, {"hash_buckets": {"price": 3}}, "--hash-buckets price needs a column whose values become ids"),
        ({}, {"fill": {"user": "median"}}, "--fill user=median does not fit, since 'user' is single-hot"),
        ({}, {"fill": {"user": -1.0}}, "--fill user=-1.0 does not fit"),
        ({}, {"fill": {"price": 1e300}}, "--fill price=1e+300 does not fit in float32: fill with a number up to 3.4"),
        ({}, {"fill": {"tags": 0.0}}, "--fill tags=0.0 does not fit, since 'tags' is multi-hot"),
        ({}, {"fill": {"clicked": 5.0}}, "--fill clicked=5"),
        ({"price": [None] * ROWS}, {"continuous": ("price",), "fill": {"price": "mean"}}, "no value to take the mean"),
        ({}, {"fill": {"item": "zero"}, "categorify": ("item",)}, "of which 0 is for missing values"),
        (
            {},
            {"drop": ("price",), "clip": {"price": (0.0, 1.0)}},
            "--clip price needs a continuous column, and 'price' is",
        ),
    ],
)
def test_a_value_or_option_that_cannot_be_is_named(
    changes: dict[str, Any], declared: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "in/a.parquet", click_log(**changes), row_group_size=100)
    said = refused(file, tmp_path / "out", **declared)
    assert any(sentence.format(file=file) in line for line in said), said


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("unix seconds", 1_700_000_000 + np.arange(ROWS)),
        ("prices in cents", np.arange(ROWS) * 99_991),
        ("hashes", np.random.default_rng(0).integers(0, 2**31 - 1, ROWS)),
    ],
)
def test_integers_that_are_hardly_ids_are_refused_with_the_numbers(
    name: str, values: np.ndarray, tmp_path: Path
) -> None:
    file = write(tmp_path / "a.parquet", click_log(user=values))
    [sentence] = refused(file, tmp_path / "out")
    assert "column 'user' has" in sentence
    assert f"{values.max():,}" in sentence
    assert "as ids a table of" in sentence
    for way_out in ("--categorify user", "--continuous user", "--single-hot user", "--drop user"):
        assert way_out in sentence


def test_integers_that_the_user_calls_ids_are_kept_and_said(tmp_path: Path) -> None:
    users = np.arange(ROWS) * 250
    file = write(tmp_path / "a.parquet", click_log(user=users))
    assert "in use" in refused(file, tmp_path / "out")[0]
    dataset = prepare(file, tmp_path / "out", single_hot=("user",))
    assert sorted(rows_of(dataset)["user"].to_pylist()) == users.tolist()
    assert "kept as ids, though it has 400 different integers" in said_of(dataset, "user")[0]


def test_a_small_table_may_be_sparse(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", numbered(3, 9_999))
    assert rows_of(prepare(file, tmp_path / "out")).num_rows == 40


def test_rounding_to_float32_is_said(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", click_log(price=np.full(ROWS, 2**40 + 1)))
    dataset = prepare(file, tmp_path / "out", continuous=("price",))
    assert rows_of(dataset)["price"][0].as_py() == np.float32(2**40 + 1)
    assert "rounded to float32" in said_of(dataset, "price")[0]


def test_rounding_names_the_value_farthest_from_zero(tmp_path: Path) -> None:
    price = [-1e9] + [1.0] * (ROWS - 1)
    dataset = prepare(write(tmp_path / "a.parquet", click_log(price=price)), tmp_path / "out")
    assert "values up to -1e+09 are rounded to float32, which has 7 digits" in said_of(dataset, "price")


def test_lists_that_are_not_whole_in_one_file_may_be_a_vector(tmp_path: Path) -> None:
    write(tmp_path / "in/a.parquet", click_log())
    write(tmp_path / "in/b.parquet", click_log(tags=[[0.5]] * ROWS))
    [sentence] = refused(tmp_path / "in", tmp_path / "out")
    assert "pass --vector tags if it holds numbers, or --drop tags" in sentence


def test_numbers_that_float32_takes_for_zero_are_said(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", numbered(1e-60, 0.0, 1.0, -1e-300))
    dataset = prepare(file, tmp_path / "out")
    assert "20 values as small as 1e-60 become 0" in said_of(dataset, "x")[-1]


def test_any_values_can_be_made_ids_and_null_becomes_zero(tmp_path: Path) -> None:
    users = pa.array([None, -7, -7, 5_000_000_000] * (ROWS // 4))
    dataset = prepare(write(tmp_path / "a.parquet", click_log(user=users)), tmp_path / "out", categorify=("user",))
    assert np.bincount(rows_of(dataset)["user"].to_numpy()).tolist() == [ROWS // 4, ROWS // 2, ROWS // 4]


def test_a_column_that_is_whole_in_one_file_only_names_both_types(tmp_path: Path) -> None:
    write(tmp_path / "in/a.parquet", click_log())
    write(tmp_path / "in/b.parquet", click_log(user=np.full(ROWS, 1.5)))
    [sentence] = refused(tmp_path / "in", tmp_path / "out")
    for part in ("'user'", "int64", "b.parquet", "double", "--continuous user", "--drop user"):
        assert part in sentence


def test_files_that_differ_in_kind_are_refused_and_can_be_left_out(tmp_path: Path) -> None:
    write(tmp_path / "in/a.parquet", click_log())
    write(tmp_path / "in/b.parquet", click_log(user=pa.array(["x"] * ROWS), price=None))
    sentences = refused(tmp_path / "in", tmp_path / "out")
    assert len(sentences) == 2
    assert "column 'user' is int64 in" in sentences[0]
    assert "column 'price' is missing in" in sentences[1]
    assert rows_of(prepare(tmp_path / "in", tmp_path / "out", drop=("user", "price"))).num_rows == 2 * ROWS
