"""Arrow's many types for one meaning: what is one type, and that no value changes on the way."""

from __future__ import annotations

import datetime
import decimal
import math
from typing import Any

import pyarrow as pa
import pytest

from feedrate.loaders.parquet.arrow_types import converted, flattened, flattened_schema, meaning, unify

D = decimal.Decimal


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.int8(), pa.int64()),
        (pa.uint32(), pa.int64()),
        (pa.uint64(), pa.uint64()),
        (pa.float16(), pa.float64()),
        (pa.string_view(), pa.large_string()),
        (pa.dictionary(pa.int16(), pa.large_string()), pa.large_string()),
        (pa.run_end_encoded(pa.int32(), pa.int8()), pa.int64()),
        (pa.binary(16), pa.large_binary()),
        (pa.uuid(), pa.large_binary()),
        (pa.decimal128(7, 2), pa.decimal128(38, 2)),
        (pa.decimal256(70, 2), pa.decimal256(76, 2)),
        (pa.list_(pa.int8(), 3), pa.large_list(pa.int64())),
        (pa.list_view(pa.string()), pa.large_list(pa.large_string())),
        (pa.list_(pa.dictionary(pa.int8(), pa.string())), pa.large_list(pa.large_string())),
        (pa.list_(pa.list_(pa.int8())), None),
        (pa.map_(pa.string(), pa.int8()), None),
        (pa.list_(pa.struct([("a", pa.int8())])), None),
    ],
)
def test_types_of_one_meaning_are_one(kind: pa.DataType, expected: pa.DataType | None) -> None:
    assert meaning(kind) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (pa.int64(), pa.float64(), pa.int64()),
        (pa.int64(), pa.uint64(), pa.int64()),
        (pa.large_string(), pa.large_binary(), pa.large_binary()),
        (pa.null(), pa.date32(), pa.date32()),
        (pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("ns")),
        (pa.timestamp("s", "UTC"), pa.timestamp("s"), None),
        (pa.date32(), pa.date64(), pa.date64()),
        (pa.date32(), pa.timestamp("s"), None),
        (pa.bool_(), pa.int64(), None),
        (pa.large_string(), pa.int64(), None),
        (pa.large_list(pa.int64()), pa.large_list(pa.null()), pa.large_list(pa.int64())),
        (pa.large_list(pa.int64()), pa.int64(), None),
    ],
)
def test_two_meanings_have_one_that_holds_both(
    first: pa.DataType, second: pa.DataType, expected: pa.DataType | None
) -> None:
    assert unify(first, second) == expected
    assert unify(second, first) == expected


@pytest.mark.parametrize(
    ("values", "kind", "to"),
    [
        ([2**63 - 1, None], pa.int64(), pa.int64()),
        ([2**64 - 1, 0], pa.uint64(), pa.uint64()),
        ([1.0, -0.0, 2.0**53], pa.float64(), pa.int64()),
        ([0.5, math.inf], pa.float32(), pa.float64()),
        ([D("1.50"), D("-99999.25")], pa.decimal128(9, 2), pa.decimal128(38, 2)),
        ([D(3), D(4)], pa.decimal128(9, 0), pa.int64()),
        (["a", "", None, "日本"], pa.string_view(), pa.large_string()),
        (["a", "b", "a"], pa.dictionary(pa.int8(), pa.string()), pa.large_string()),
        ([b"\xff", None], pa.binary(1), pa.large_binary()),
        ([[1, 2], None, []], pa.list_(pa.int8()), pa.large_list(pa.int64())),
        ([[1, 2], None, [None, 4]], pa.list_(pa.int16(), 2), pa.large_list(pa.int64())),
        ([["a"], [], ["b", "c"]], pa.list_view(pa.string()), pa.large_list(pa.large_string())),
        ([datetime.date(2020, 1, 2)], pa.date32(), pa.date64()),
        ([datetime.time(1, 2, 3)], pa.time32("s"), pa.time64("ns")),
        ([None, None], pa.null(), pa.large_string()),
    ],
)
def test_converting_keeps_every_value(values: list[Any], kind: pa.DataType, to: pa.DataType) -> None:
    array = pa.array(values, kind)
    for part in (array, pa.chunked_array([array[:1], array[1:]]), pa.concat_arrays([array, array])[len(array) :]):
        result = converted(part, to)
        assert result.type == to
        assert result.to_pylist() == values


def test_a_nan_among_integers_is_missing() -> None:
    assert converted(pa.array([1.0, math.nan]), pa.int64()).to_pylist() == [1, None]


@pytest.mark.parametrize(
    ("values", "kind", "to"),
    [
        ([1.5], pa.float64(), pa.int64()),
        ([2.0**64], pa.float64(), pa.int64()),
        ([2**63], pa.uint64(), pa.int64()),
        ([D("1.5")], pa.decimal128(9, 1), pa.int64()),
        ([b"\xff"], pa.binary(), pa.large_string()),
    ],
)
def test_a_value_that_does_not_fit_raises(values: list[Any], kind: pa.DataType, to: pa.DataType) -> None:
    with pytest.raises(pa.ArrowException):
        converted(pa.array(values, kind), to)


def test_structs_become_columns_at_any_depth() -> None:
    table = pa.table({"a": pa.array([{"b": {"c": 1}, "d": "x"}, None]), "e": [1, 2]})
    assert flattened(table).to_pydict() == {"a.b.c": [1, None], "a.d": ["x", None], "e": [1, 2]}
    assert flattened_schema(table.schema).names == ["a.b.c", "a.d", "e"]
