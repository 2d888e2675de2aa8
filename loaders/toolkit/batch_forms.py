"""The forms in which libraries deliver a batch, as a mapping of columns or an Arrow table. Looks at no values.

pandas and Polars are recognized without importing them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as types
from torch import Tensor

from feedrate.loaders.base import Schema
from feedrate.loaders.form import spoken
from feedrate.loaders.parquet.arrow_types import meaning
from feedrate.loaders.toolkit.column_values import kind_of, refused

Reader = Callable[[Any], Mapping[str, Any] | pa.Table]


def reader_of(batch: object, label: str) -> Reader:
    """Return the function that reads batches of this type. Raises FeedrateError for a type that has no columns.

    label: the name of the label, which is the second part of a (features, label) pair.
    """
    if isinstance(batch, pa.Table):
        return lambda table: table
    if isinstance(batch, pa.RecordBatch):
        return lambda records: pa.Table.from_batches([records])
    library = type(batch).__module__.partition(".")[0]
    if library == "pandas" and hasattr(batch, "iloc") and hasattr(batch, "columns"):
        return _of_pandas
    if library == "polars" and hasattr(batch, "to_arrow") and hasattr(batch, "columns"):
        return lambda frame: frame.to_arrow()
    if isinstance(batch, dict):
        return lambda columns: columns
    if isinstance(batch, Mapping) or (hasattr(batch, "keys") and hasattr(type(batch), "__getitem__")):
        return lambda columns: {name: columns[name] for name in columns.keys()}  # noqa: SIM118  # TensorDict iterates over rows
    if isinstance(batch, tuple) and hasattr(batch, "_asdict"):
        return lambda columns: columns._asdict()
    if isinstance(batch, tuple | list):
        return lambda pair: _of_pair(pair, label)
    raise refused(
        f"a batch is {kind_of(batch)}, but must be a dict, a (features, label) pair, an Arrow table, a pandas or Polars frame "
        "or a feedrate.Batch: turn it into one of them in convert="
    )


def is_arrow(value: object) -> bool:
    """Return whether a column is an Arrow array, or a pandas or Polars series."""
    library = type(value).__module__.partition(".")[0]
    return isinstance(value, pa.Array | pa.ChunkedArray) or (
        library in ("pandas", "polars") and type(value).__name__ == "Series"
    )


def table_of(columns: Mapping[str, Any], schema: Schema) -> pa.Table:
    """Return the schema's columns as an Arrow table: arrays of Arrow, series, NumPy arrays and tensors of one dimension."""
    return pa.table({name: _array(name, columns[name]) for name in schema.columns if name in columns})


def require_types(table: pa.Table, schema: Schema) -> None:
    """Raise FeedrateError if a column of the table has a type that its kind cannot have."""
    for column in schema.single_hot:
        if not _is_integer(table.schema.field(column.name).type):
            raise _wrong_type(column.name, table, "integers")
    for column in schema.multi_hot:
        kind = meaning(table.schema.field(column.name).type)
        if kind is None or not types.is_large_list(kind) or not (_is_integer(kind.value_type) or _is_null(kind)):
            raise _wrong_type(column.name, table, "lists of integers")
    for name in (*schema.continuous, schema.label):
        kind = meaning(table.schema.field(name).type)
        if kind is None or not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
            raise _wrong_type(name, table, "numbers")


def _of_pandas(frame: Any) -> Mapping[str, Any]:
    """Return the series of a pandas frame by name. pa.Table.from_pandas would make a null of each NaN."""
    if frame.columns.has_duplicates:
        odd = frame.columns[frame.columns.duplicated()][0]
        raise refused(f"a batch has several columns {spoken(odd)}: rename them in convert=")
    return {str(name): frame[name] for name in frame.columns}


def _of_pair(pair: Any, label: str) -> Mapping[str, Any] | pa.Table:
    if len(pair) != 2:
        raise refused(
            f"a batch is {kind_of(pair)} of {len(pair)} parts, but must be a (features, label) pair or have names: turn it "
            "into a dict in convert="
        )
    features, target = pair
    if not hasattr(features, "keys") and not hasattr(features, "column_names") and not hasattr(features, "columns"):
        raise refused(
            f"a batch's features are {kind_of(features)}, which has no names of columns: turn the batch into a dict in convert="
        )
    columns = reader_of(features, label)(features)
    names = columns.column_names if isinstance(columns, pa.Table) else columns
    if label in names:
        raise refused(
            f"a batch has the label {spoken(label)} among its features and beside them: leave one out in convert="
        )
    if isinstance(columns, pa.Table):
        return columns.append_column(label, _array(label, target))
    return {**columns, label: target}


def _array(name: str, value: Any) -> pa.Array | pa.ChunkedArray:
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return value
    if isinstance(value, Tensor):
        value = value.cpu().numpy()
    if is_arrow(value):
        if hasattr(value, "to_arrow"):
            return value.to_arrow()
        if isinstance(value.dtype, np.dtype) and value.dtype.kind == "f":
            return pa.array(value.to_numpy(), from_pandas=False)  # NaN is a number
        return pa.Array.from_pandas(value)
    try:
        return pa.array(value)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise refused(
            f"{spoken(name)} is {kind_of(value)} beside Arrow columns, and Arrow cannot hold it ({error}): deliver all columns "
            "as Arrow arrays or none"
        ) from error


def _is_integer(kind: pa.DataType) -> bool:
    return bool(types.is_integer(meaning(kind) or pa.null()))


def _is_null(lists: pa.DataType) -> bool:
    return bool(types.is_null(lists.value_type))


def _wrong_type(name: str, table: pa.Table, wanted: str) -> Exception:
    return refused(f"{spoken(name)} is a column of {table.schema.field(name).type}, but must be one of {wanted}")
