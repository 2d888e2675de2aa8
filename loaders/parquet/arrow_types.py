"""What a column's Arrow type means: many types for one meaning become one, and files that differ in nothing else agree.

Every value is kept. A conversion that would change one raises pyarrow.ArrowInvalid.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types

BYTES = pa.large_binary()
TEXT = pa.large_string()
"""Text, which must be UTF-8."""
INTEGER = pa.int64()
NUMBER = pa.float64()
MAX_DECIMAL_DIGITS = 76
_UNITS = ("s", "ms", "us", "ns")


def meaning(kind: pa.DataType) -> pa.DataType | None:
    """Return the one type for all types of this meaning; None for a type that has no place in a data set.

    Integers become int64 (uint64 stays), floats float64, text large_string, bytes and UUIDs large_binary, and lists of
    any make large_list. Decimals, dates, times and durations keep their unit.
    """
    kind = _stored(kind)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind) or _is_list_view(kind):
        child = meaning(kind.value_type)
        return None if child is None or types.is_large_list(child) else pa.large_list(child)
    if types.is_uint64(kind) or types.is_boolean(kind) or types.is_null(kind) or _is_timed(kind):
        return kind
    if types.is_integer(kind):
        return INTEGER
    if types.is_floating(kind):
        return NUMBER
    if types.is_decimal(kind):
        wide = kind.precision > 38
        return pa.decimal256(MAX_DECIMAL_DIGITS, kind.scale) if wide else pa.decimal128(38, kind.scale)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return TEXT
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return BYTES
    return BYTES if types.is_fixed_size_binary(kind) else None


def unify(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    """Return the meaning that holds every value of both, or None. Takes and returns what meaning() returns.

    Integers with floats or decimals give int64, which holds those values only if they are whole: converted() checks it.
    """
    if first == second or types.is_null(second):
        return first
    if types.is_null(first):
        return second
    if types.is_large_list(first) and types.is_large_list(second):
        child = unify(first.value_type, second.value_type)
        return None if child is None else pa.large_list(child)
    if {first, second} == {TEXT, BYTES}:
        return BYTES
    if is_numeric(first) and is_numeric(second):
        return _common_number(first, second)
    if types.is_timestamp(first) and types.is_timestamp(second) and (first.tz is None) == (second.tz is None):
        return pa.timestamp(_finer(first.unit, second.unit), first.tz and "UTC")
    if types.is_duration(first) and types.is_duration(second):
        return pa.duration(_finer(first.unit, second.unit))
    if types.is_time(first) and types.is_time(second):
        return pa.time64("ns")
    return pa.date64() if types.is_date(first) and types.is_date(second) else None


def is_numeric(kind: pa.DataType) -> bool:
    """Whether a meaning is an integer, a float or a decimal."""
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def is_time(kind: pa.DataType) -> bool:
    """Whether a meaning is a date, a time or a duration."""
    return _is_timed(kind)


def nests_dictionary(kind: pa.DataType) -> bool:
    """Whether a stored type is a list or struct with dictionary-encoded values at any depth."""
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    if not types.is_nested(kind):
        return False
    children = [kind.field(place).type for place in range(kind.num_fields)]
    return any(types.is_dictionary(child) or nests_dictionary(child) for child in children)


def flattened(table: pa.Table) -> pa.Table:
    """Return the table with the fields of its structs as columns, named struct.field, at any depth."""
    while any(types.is_struct(_stored(kind)) for kind in table.schema.types):
        columns: list[Any] = []
        for column in table.columns:
            storage = isinstance(column.type, pa.BaseExtensionType) and types.is_struct(column.type.storage_type)
            columns.append(column.cast(column.type.storage_type) if storage else column)
        table = pa.Table.from_arrays(columns, table.column_names).flatten()
    return table


def flattened_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of a flattened() table. Names may occur twice."""
    fields = [pa.field(name, kind) for field in schema for name, kind in _fields(field.name, field.type)]
    return pa.schema(fields)


def converted(column: pa.ChunkedArray | pa.Array, kind: pa.DataType) -> pa.Array:
    """Return the column as one array of a meaning that unify() gave for it. A NaN among integers becomes null.

    Raises pyarrow.ArrowInvalid for a value that the meaning does not hold, and for text that is not UTF-8.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [_converted(chunk, kind) for chunk in chunks]
    return pa.concat_arrays(parts) if len(parts) != 1 else parts[0]


def _converted(array: pa.Array, kind: pa.DataType) -> pa.Array:
    array = _plain(array)
    if types.is_large_list(kind):
        return _converted_list(array, kind)
    if types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if kind == TEXT:
        array.validate(full=True)  # a cast of bytes to text checks them, a cast of text does not
    if array.type == kind:
        return array
    if is_numeric(kind) and is_numeric(array.type):
        return _converted_number(array, kind)
    if types.is_fixed_size_binary(array.type):
        return array.cast(pa.binary(array.type.byte_width)).cast(pa.binary()).cast(kind)
    if types.is_time(kind) and types.is_time(array.type) and array.type.bit_width == 32:
        array = array.cast(pa.time64("us"))
    return array.cast(kind)


def _converted_number(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if types.is_floating(kind):
        return array.cast(kind, safe=False)  # decimals and integers past 2**53 are rounded to the nearest
    if types.is_decimal(array.type):
        return array.cast(meaning(array.type)).cast(kind)  # Arrow casts no decimal32 to int64
    if types.is_floating(array.type) and types.is_integer(kind):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    return array.cast(kind)


def _converted_list(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if types.is_null(array.type):
        return pa.nulls(len(array), kind)
    values = _converted(array.flatten(), kind.value_type)
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    mask = array.is_null() if array.null_count else None
    return pa.LargeListArray.from_arrays(pa.array(offsets), values, mask=mask)


def _plain(array: pa.Array) -> pa.Array:
    """Return the array without dictionary, run ends and extension. Views of lists stay: Arrow 26 loses values in a cast."""
    while True:
        if _is_bool8(array.type):
            array = array.storage.cast(pa.bool_())  # everything but 0 is true
        elif isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        elif types.is_dictionary(array.type):
            array = array.dictionary_decode()
        elif types.is_run_end_encoded(array.type):
            array = pc.run_end_decode(array)
        else:
            return array


def _common_number(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    if types.is_integer(first) or types.is_integer(second):
        both_unsigned = types.is_uint64(first) and types.is_uint64(second)
        return first if both_unsigned else INTEGER
    if types.is_floating(first) or types.is_floating(second):
        return NUMBER
    scale = max(first.scale, second.scale)
    whole = max(first.precision - first.scale, second.precision - second.scale)
    if whole + scale <= 38:
        return pa.decimal128(38, scale)
    return pa.decimal256(MAX_DECIMAL_DIGITS, scale)


def _fields(name: str, kind: pa.DataType) -> list[tuple[str, pa.DataType]]:
    kind_stored = _stored(kind)
    if not types.is_struct(kind_stored):
        return [(name, kind)]
    return [pair for child in kind_stored for pair in _fields(f"{name}.{child.name}", child.type)]


def _stored(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values themselves: without dictionary, run ends and extension."""
    while True:
        if _is_bool8(kind):
            return pa.bool_()
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif types.is_dictionary(kind) or types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def _is_bool8(kind: pa.DataType) -> bool:
    """Whether the type is Arrow's extension for truth values of one byte each. PyArrow before 18 does not know it."""
    return isinstance(kind, pa.BaseExtensionType) and str(kind) == "extension<arrow.bool8>"


def _is_list_view(kind: pa.DataType) -> bool:
    return bool(types.is_list_view(kind) or types.is_large_list_view(kind))


def _is_timed(kind: pa.DataType) -> bool:
    return bool(types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind) or types.is_duration(kind))


def _finer(first: str, second: str) -> str:
    return max(first, second, key=_UNITS.index)
