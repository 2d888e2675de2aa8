"""Ids of values: equal values have one id, in every chunk, and all others have another."""

from __future__ import annotations

import datetime
import decimal
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from feedrate.bench.datasets.tables.categories import Categories, CategoryCounts, bucket, keys
from feedrate.loaders.parquet.arrow_types import converted, meaning
from tests.samples.click_log import cardinalities, numbered, prepare, rows_of, write

DAY = datetime.date(2020, 2, 3)
MOMENT = datetime.datetime(2020, 2, 3, 4, 5, 6, 789)
VALUES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "int8": (pa.int8(), [-128, 127, 0]),
    "uint64": (pa.uint64(), [2**64 - 1, 2**63, 0, 1]),
    "int64": (pa.int64(), [2**63 - 1, -(2**63), 2**53, 2**53 + 1]),
    "float16": (pa.float16(), [0.5, float("inf"), -2.0]),
    "float": (pa.float64(), [1.5, float("-inf"), 5e-324, 0.1, 0.1 + 2**-55]),
    "bool": (pa.bool_(), [True, False]),
    "decimal": (pa.decimal128(20, 3), [decimal.Decimal("1.000"), decimal.Decimal("-0.001")]),
    "wide decimal": (pa.decimal256(60, 2), [decimal.Decimal(10**50), decimal.Decimal(10**50 + 1)]),
    "text": (pa.string(), ["", " ", "a", "A", "ä", "a\u0308", "NULL", "nan"]),
    "text view": (pa.string_view(), ["a", "a much longer text than twelve bytes", "a much longer text than twelve"]),
    "categorical": (pa.dictionary(pa.int8(), pa.string()), ["x", "y"]),
    "bytes": (pa.binary(), [b"a", b"b\x00", b"b"]),
    "uuid": (pa.uuid(), [uuid.UUID(int=1).bytes, uuid.UUID(int=2**127).bytes]),
    "fixed bytes": (pa.binary(2), [b"ab", b"b\x00"]),
    "date": (pa.date32(), [DAY, datetime.date(1969, 12, 31)]),
    "date64": (pa.date64(), [DAY, datetime.date(1969, 12, 31)]),
    "time": (pa.time32("ms"), [datetime.time(1), datetime.time(2)]),
    "time64": (pa.time64("ns"), [datetime.time(1), datetime.time(2)]),
    "timestamp": (pa.timestamp("us"), [MOMENT, MOMENT.replace(year=1900)]),
    "zoned": (pa.timestamp("ms", "Asia/Tokyo"), [MOMENT.replace(microsecond=0), MOMENT.replace(year=1900)]),
    "duration": (pa.duration("ns"), [datetime.timedelta(1), datetime.timedelta(-1)]),
}


def counted(*chunks: pa.Array) -> list[Any]:
    counts = CategoryCounts()
    for chunk in chunks:
        counts.add(keys(chunk))
    return counts.by_frequency().rows()


@pytest.mark.parametrize("name", sorted(VALUES))
def test_every_type_s_values_have_ids_of_their_own(name: str, tmp_path: Path) -> None:
    kind, values = VALUES[name]
    file = write(tmp_path / "in/a.parquet", numbered(None, *values, kind=kind), row_group_size=7)
    write(tmp_path / "in/b.parquet", numbered(*reversed(values), kind=kind))
    words = {"single_hot": ("x",), "categorify": ("x",)}
    dataset = prepare(file.parent, tmp_path / "out", **words)
    assert cardinalities(dataset) == {"x": len(values) + 1}
    rows = rows_of(dataset)
    expected = {}
    for source in (numbered(None, *values, kind=kind), numbered(*reversed(values), kind=kind)):
        for value in source["x"].to_pylist():
            expected[value] = expected.get(value, 0) + 1
    assert sorted(np.bincount(rows["x"].to_numpy())) == sorted(expected.values())
    assert np.bincount(rows["x"].to_numpy())[0] == expected[None]


def test_the_most_frequent_value_is_first_and_equals_are_sorted() -> None:
    chunks = [pa.array(chunk, pa.large_string()) for chunk in (["b", "a", "c", "c"], ["a", None])]
    assert counted(*chunks) == [(b"a", 2), (b"c", 2), (b"b", 1)]
    assert counted(pa.array([3, 3, 1, 2])) == [(3, 2), (1, 1), (2, 1)]


def test_nan_is_one_value_and_minus_zero_is_zero() -> None:
    other_nan = np.frombuffer(np.uint64(0x7FF8000000000001).tobytes(), np.float64)[0]
    values = [float("nan"), -0.0, 0.0, other_nan, -float("nan"), 1.0]
    rows = counted(pa.array(values[:3]), pa.array(np.array(values[3:])))
    assert [(str(abs(value)), count) for value, count in rows] == [("nan", 3), ("0.0", 2), ("1.0", 1)]
    categories = Categories.of(pl.Series([value for value, _ in rows]))
    assert categories.ids(keys(pa.array(np.array(values)))).tolist() == [1, 2, 2, 1, 1, 3]


def test_counting_merges_when_much_is_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feedrate.bench.datasets.tables.categories.MIN_MERGED_ROWS", 2)
    counts = CategoryCounts()
    for _ in range(5):
        counts.add(pl.Series([1, 2, 3, 3]))
    assert counts.by_frequency().rows() == [(3, 10), (1, 5), (2, 5)]


def test_unknown_and_missing_values_have_id_zero() -> None:
    for values, asked in (([5, 3], [3, 4, None, 5, 2**40]), ([b"b", b"a"], [b"a", b"c", None, b"b", b""])):
        categories = Categories.of(pl.Series(values))
        assert categories.ids(pl.Series(asked)).tolist() == [2, 0, 0, 1, 0]
        assert categories.cardinality == 3


def test_without_values_every_id_is_zero() -> None:
    for dtype in (pl.Int64, pl.Binary):
        categories = Categories.of(pl.Series([], dtype=dtype))
        assert categories.ids(pl.Series([None, None], dtype=dtype)).tolist() == [0, 0]
        assert categories.cardinality == 1


def test_equal_hashes_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    def weak(series: pl.Series, *_: int) -> pl.Series:
        return pl.Series([len(value) for value in series], dtype=pl.UInt64)

    monkeypatch.setattr(pl.Series, "hash", weak)
    categories = Categories.of(pl.Series([b"aa", b"bb", b"c", b"dd", b"eeee"]))
    asked = pl.Series([b"dd", b"bb", b"xx", b"c", b"zzzzzz", None, b"aa", b"", b"eeee", b"ffff"])
    assert categories.ids(asked).tolist() == [4, 2, 0, 3, 0, 0, 1, 0, 5, 0]


def test_buckets_lie_behind_the_ids_and_stay_the_same() -> None:
    categories = Categories.of(pl.Series([b"known"]), buckets=5)
    assert categories.cardinality == 7
    [known, other, missing] = categories.ids(pl.Series([b"known", b"other", None])).tolist()
    assert (known, missing) == (1, 0)
    assert other == 2 + bucket(b"other", 5)
    assert [bucket(value, 1000) for value in (b"Roma", 7, 1.5)] == [309, 255, 338]
    assert bucket(-0.0, 1000) == bucket(0.0, 1000)


def test_categories_are_read_as_they_were_written(tmp_path: Path) -> None:
    for values in (
        pl.Series([2.5, float("nan"), -1.0]),
        pl.Series([b"\xff", b""]),
        pl.Series([2**63], dtype=pl.UInt64),
    ):
        Categories.of(values, buckets=3).write(tmp_path / "c.parquet")
        again = Categories.read(tmp_path / "c.parquet", buckets=3)
        assert again.ids(values).tolist() == list(range(1, len(values) + 1))
        assert again.cardinality == len(values) + 4


def test_keys_of_text_in_any_form_are_alike() -> None:
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        array = pa.array(["x", None, "yy"], pa.string()).cast(kind)
        asked = meaning(kind)
        assert asked is not None
        assert keys(converted(array, asked)).to_list() == [b"x", None, b"yy"]
