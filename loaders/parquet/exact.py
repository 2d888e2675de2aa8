"""Stored columns as int32 ids, lists of int32 and float32: every value as it is in the file, or an error that names it.

A folder that `feedrate prepare` wrote has these types already, so nothing is converted there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feedrate.loaders.base import Schema
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.arrow_types import INTEGER, NUMBER, converted, flattened
from feedrate.loaders.parquet.open_file import short

_IDS, _BAGS = pa.int32(), pa.large_list(INTEGER)


def read_exact(
    opened: pq.ParquetFile, schema: Schema, file: Path, group: int | None = None, *, threads: bool = True
) -> pa.Table:
    """Read the schema's columns of a row group, or of the whole file (None), with exact types.

    Raises FeedrateError for a damaged file, and as exact() does.
    """
    names = list(schema.columns)
    try:
        if group is None:
            table = opened.read(columns=names, use_threads=threads)
        else:
            table = opened.read_row_group(group, columns=names, use_threads=threads)
    except (pa.ArrowException, OSError) as error:
        raise FeedrateError(f"{file} cannot be read to its end ({short(error)}): write or copy it again") from error
    return exact(flattened(table), schema, file)


def exact(table: pa.Table, schema: Schema, file: Path | None = None) -> pa.Table:
    """Return the schema's columns, in its order, as int32, lists of int32 and float32.

    file: where they are from, for messages.
    Raises FeedrateError for nulls, ids that do not fit in 32 bits or are not whole, and numbers too large for float32.
    """
    where = f" in {file}" if file else ""
    columns = [_ids(name.name, table[name.name], where) for name in schema.single_hot]
    columns += [_bags(name.name, table[name.name], where) for name in schema.multi_hot]
    columns += [_numbers(name, table[name], where) for name in (*schema.continuous, schema.label)]
    return pa.Table.from_arrays(columns, list(schema.columns))


def refuse_nulls(name: str, nulls: int, where: str = "") -> None:
    """Raise FeedrateError if the column contains nulls."""
    if nulls:
        raise FeedrateError(
            f"column {name!r}{where} contains {nulls} null(s): fill them, or run `feedrate prepare parquet`, which can fill them"
        )


def refuse_wide(name: str, least: int, greatest: int, where: str = "") -> None:
    """Raise FeedrateError if the least or the greatest id of the column does not fit in int32."""
    if not -(2**31) <= least <= greatest < 2**31:
        wide = greatest if greatest >= 2**31 else least
        raise FeedrateError(
            f"column {name!r}{where} contains the id {wide}, which does not fit in 32 bits: renumber its ids with "
            f"`feedrate prepare parquet --categorify {name}`"
        )


def refuse_overflow(name: str, greatest: float, where: str = "") -> None:
    """Raise FeedrateError if a finite number does not fit in float32. greatest: the largest absolute value."""
    with np.errstate(over="ignore"):
        overflows = np.isfinite(greatest) and np.isinf(np.float32(greatest))
    if overflows:
        raise FeedrateError(
            f"column {name!r}{where} contains {greatest:g}, which float32 does not hold: "
            f"cut such values with `feedrate prepare parquet --clip {name}=LOW:HIGH`"
        )


def _ids(name: str, column: pa.ChunkedArray, where: str) -> pa.ChunkedArray | pa.Array:
    if column.type == _IDS:
        refuse_nulls(name, column.null_count, where)
        return column
    return _int32(name, _as(name, column, INTEGER, where), where)


def _bags(name: str, column: pa.ChunkedArray, where: str) -> pa.ChunkedArray | pa.Array:
    refuse_nulls(name, column.null_count, where)
    if pa.types.is_list(column.type) and column.type.value_type == _IDS:
        refuse_nulls(name, sum(chunk.flatten().null_count for chunk in column.chunks), where)
        return column
    lists = _as(name, column, _BAGS, where)
    values = _int32(name, lists.flatten(), where)
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    wide = offsets[-1] >= 2**31
    return (pa.LargeListArray if wide else pa.ListArray).from_arrays(
        pa.array(offsets if wide else offsets.astype(np.int32)), values
    )


def _int32(name: str, values: pa.Array, where: str) -> pa.Array:
    """Return int64 or uint64 values as int32."""
    refuse_nulls(name, values.null_count, where)
    if len(values):
        least, greatest = pc.min_max(values).as_py().values()
        refuse_wide(name, least, greatest, where)
    return values.cast(_IDS)


def _numbers(name: str, column: pa.ChunkedArray, where: str) -> pa.ChunkedArray | pa.Array:
    refuse_nulls(name, column.null_count, where)
    if pa.types.is_float32(column.type):
        return column
    if pa.types.is_boolean(column.type):
        return column.cast(pa.float32())
    values = _as(name, column, NUMBER, where).to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    overflown = np.isinf(narrow) & np.isfinite(values)
    if overflown.any():
        refuse_overflow(name, float(np.abs(values[overflown][0])), where)
    return pa.array(narrow)


def _as(name: str, column: pa.ChunkedArray, kind: pa.DataType, where: str) -> pa.Array:
    if pa.types.is_uint64(column.type) and kind == INTEGER:
        return converted(column, column.type)
    try:
        return converted(column, kind)
    except pa.ArrowException as error:
        raise FeedrateError(
            f"column {name!r}{where} is {column.type}, and {kind} elsewhere, which does not hold its values ({short(error)}): "
            "make the files alike"
        ) from error
