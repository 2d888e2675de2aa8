"""Checks of a user's values, so that none is changed silently."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feedrate.bench.datasets.parquet_columns import Columns, is_list, value_type
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ID = 2**31 - 2


def check_values(file: Path, table: pa.Table, columns: Columns, label_above: float | None) -> None:
    """Raise FeedrateError for the first value that no loader could use, with its column and file."""
    _check_label(file, table, columns.label, label_above)
    for name in columns.continuous:
        _check_continuous(file, table, name)
    for name in columns.multi_hot:
        _check_lists(file, table[name], name)
    for name in (*columns.single_hot, *columns.multi_hot):
        if name not in columns.categorify:
            _check_ids(file, table[name], name)


def _check_label(file: Path, table: pa.Table, name: str, label_above: float | None) -> None:
    label = _floats(file, name, table)
    if np.isnan(label).any():
        raise FeedrateError(
            f"label {name!r} in {file} has {int(np.isnan(label).sum())} empty or NaN values: drop these rows"
        )
    if label_above is None and not np.isin(label, (0, 1)).all():
        value = label[~np.isin(label, (0, 1))][0]
        raise FeedrateError(
            f"label {name!r} in {file} has the value {value:g}, not 0 or 1: pass --label-above to make it binary"
        )


def _check_continuous(file: Path, table: pa.Table, name: str) -> None:
    with np.errstate(over="ignore"):
        narrow = _floats(file, name, table).astype(np.float32)
    if not np.isfinite(narrow).all():
        raise FeedrateError(
            f"continuous column {name!r} in {file} has empty, NaN or infinite values (as float32): fill them first"
        )


def _check_lists(file: Path, column: pa.ChunkedArray, name: str) -> None:
    import pyarrow as pa

    if column.null_count:
        raise FeedrateError(
            f"list column {name!r} in {file} has {column.null_count} null rows: write empty lists instead"
        )
    values = pa.chunked_array([chunk.flatten() for chunk in column.chunks], value_type(column.type))
    if values.null_count:
        raise FeedrateError(
            f"list column {name!r} in {file} has {values.null_count} nulls within its lists: remove them"
        )


def _check_ids(file: Path, column: pa.ChunkedArray, name: str) -> None:
    import pyarrow.compute as pc

    low, high = (value.as_py() for value in pc.min_max(flat_values(column)).values())
    if low is not None and low < 0:
        raise FeedrateError(
            f"column {name!r} in {file} has the id {low}, but ids start at 0: "
            f"pass --categorify {name} to make ids of any values"
        )
    if high is not None and high > MAX_ID:
        raise FeedrateError(
            f"column {name!r} in {file} has the id {high}, over the largest, {MAX_ID}: pass --categorify {name}"
        )


def flat_values(column: pa.ChunkedArray) -> Any:
    """Return one Arrow array of the column's values; lists are flattened, dictionaries decoded."""
    import pyarrow as pa
    import pyarrow.types as types

    values = column.combine_chunks()
    values = pa.concat_arrays(values.chunks) if isinstance(values, pa.ChunkedArray) else values
    if is_list(values.type):
        values = values.flatten()
    return values.dictionary_decode() if types.is_dictionary(values.type) else values


def as_floats(column: pa.ChunkedArray) -> np.ndarray:
    """Return float64 values; integers past 2**53 are rounded to the nearest."""
    import pyarrow as pa

    return column.cast(pa.float64(), safe=False).to_numpy()  # type: ignore[no-any-return]


def _floats(file: Path, name: str, table: pa.Table) -> np.ndarray:
    import pyarrow as pa

    try:
        return as_floats(table[name])
    except pa.ArrowException as error:
        raise FeedrateError(f"column {name!r} in {file} is {table[name].type}, not a number") from error
