"""Reads Parquet files to Python values with PyArrow alone: what the tests hold against the prepared dataset.

Text and bytes are bytes, times are whole nanoseconds, structs are columns of their own, and lists are lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as types

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass(frozen=True, slots=True)
class Part:
    """A column of one file."""

    family: str
    """What its type is for, such as "integer", "list of text" or "other"."""
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file's columns. A name may occur twice."""

    rows: int
    columns: Sequence[tuple[str, Part]]

    def with_keys(self, keys: Mapping[str, Part]) -> FileRead:
        """Return the file with columns whose one value stands in the names of its folders."""
        return FileRead(
            self.rows,
            [*self.columns, *((name, Part(key.family, [*key.values] * self.rows)) for name, key in keys.items())],
        )

    def parts(self, name: str) -> list[Part]:
        """Return the columns of this name."""
        return [part for known, part in self.columns if known == name]


def read(path: Path) -> FileRead:
    """Read a whole file."""
    with pq.ParquetFile(path) as file:
        rows, schema = file.metadata.num_rows, file.schema_arrow
        try:
            groups = [file.read_row_group(place) for place in range(file.num_row_groups)]  # Arrow joins no nested ones
        except pa.ArrowInvalid:  # text of a dictionary that is not UTF-8
            return FileRead(rows, [*_alone(file)])
    columns: list[tuple[str, Part]] = []
    for place, column in enumerate(schema):
        columns += _joined(column, [chunk for group in groups for chunk in group.column(place).chunks])
    return FileRead(rows, columns)


def _alone(file: pq.ParquetFile) -> Iterator[tuple[str, Part]]:
    """Read each column alone. Text that Arrow cannot read is a family of its own."""
    for column in file.schema_arrow:
        try:
            groups = [file.read_row_group(place, columns=[column.name]) for place in range(file.num_row_groups)]
            chunks = [chunk for group in groups for chunk in group[column.name].chunks]
        except pa.ArrowInvalid:
            for name, _ in _joined(column, []):
                yield name, Part("unreadable", [None] * file.metadata.num_rows)
        else:
            yield from _joined(column, chunks)


def _joined(column: pa.Field, chunks: Sequence[pa.Array]) -> Iterator[tuple[str, Part]]:
    parts = [[*_parts(column.name, chunk)] for chunk in chunks or [pa.nulls(0, column.type)]]
    for same in zip(*parts, strict=True):
        values = [value for _, part in same for value in part.values]
        yield same[0][0], Part(same[0][1].family, values)


def _parts(name: str, array: pa.Array) -> Iterator[tuple[str, Part]]:
    if types.is_struct(array.type):
        valid = array.is_valid().to_pylist()
        for place, child in enumerate(array.type):
            for inner, part in _parts(f"{name}.{child.name}", array.field(place)):
                yield inner, Part(part.family, [v if ok else None for ok, v in zip(valid, part.values, strict=True)])
        return
    yield name, Part(family(array.type), _values(array))


def family(kind: pa.DataType) -> str:
    """Return what a type is for."""
    if kind == pa.bool8() or types.is_boolean(kind):
        return "flag"
    if isinstance(kind, pa.BaseExtensionType):
        return family(kind.storage_type)
    if types.is_dictionary(kind):
        return family(kind.value_type)
    if types.is_map(kind) or types.is_struct(kind):
        return "other"
    if types.is_nested(kind):
        inner = family(kind.value_type)
        return "other" if inner == "other" or inner.startswith("list") else f"list of {inner}"
    return next(name for name, matches in _FAMILIES if matches(kind))


_FAMILIES = (
    ("null", types.is_null),
    ("integer", types.is_integer),
    ("float", types.is_floating),
    ("decimal", types.is_decimal),
    ("text", lambda kind: types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)),
    ("bytes", lambda kind: types.is_fixed_size_binary(kind) or types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)),
    ("date", types.is_date),
    ("time", types.is_time),
    ("zoned instant", lambda kind: types.is_timestamp(kind) and kind.tz is not None),
    ("instant", types.is_timestamp),
    ("duration", types.is_duration),
)  # fmt: skip


def _values(array: pa.Array) -> list[Any]:
    kind = array.type
    if family(kind) == "other":
        return [None] * len(array)
    if isinstance(kind, pa.BaseExtensionType):
        stored = _values(array.storage)
        return [None if value is None else bool(value) for value in stored] if kind == pa.bool8() else stored
    if types.is_dictionary(kind):
        entries = _values(array.dictionary)
        return [None if place is None else entries[place] for place in array.indices.to_pylist()]
    if types.is_nested(kind):
        return [_values(row.values) if row.is_valid else None for row in array]
    if family(kind) == "text":
        array = array.view(pa.binary_view() if types.is_string_view(kind) else _bytes_of(kind))
    scale = _scale(kind)
    if scale is None:
        return list(array.to_pylist())
    ticks = array.view(pa.int32() if kind.bit_width == 32 else pa.int64()).to_pylist()
    return [None if value is None else value * scale for value in ticks]


def _bytes_of(kind: pa.DataType) -> pa.DataType:
    return pa.large_binary() if types.is_large_string(kind) else pa.binary()


def _scale(kind: pa.DataType) -> int | None:
    """Return the nanoseconds of a tick; None for a type that is no time."""
    if types.is_date32(kind):
        return 86_400 * 10**9
    if types.is_date64(kind):
        return 10**6
    return _NANOSECONDS[kind.unit] if hasattr(kind, "unit") else None
