"""Turns Arrow tables and record batches into Batches with the contract's types. It costs some microseconds per column."""

from __future__ import annotations

import pyarrow as pa
import torch
from torch import Tensor

from feedrate.loaders.base import Batch, Schema
from feedrate.loaders.parquet.arrow_types import flattened
from feedrate.loaders.parquet.exact import exact, refuse_nulls

_INT32, _FLOAT32 = pa.int32(), pa.float32()
_TORCH_TYPES = {_INT32: torch.int32, pa.int64(): torch.int64, _FLOAT32: torch.float32}


def batch_of_arrow(data: pa.Table | pa.RecordBatch, schema: Schema, *, fresh: bool = False) -> Batch:
    """Return the schema's columns of Arrow data as a batch in host memory. Other columns are ignored.

    Chunks are combined first, so that a table of many small chunks costs little more than one of a single chunk.
    Tensors share Arrow's memory if it is writable, and copy it otherwise, for example from a memory-mapped file.
    So pass each row once: data that is delivered again must be taken or copied anew.
    fresh: the memory is new and nobody else uses it, so share it even if Arrow marks it as read-only, as it does with the
    memory of other libraries.

    Raises FeedrateError for nulls and for values that int32 ids or float32 numbers do not hold.
    """
    arrays = _arrays(data, schema)
    if arrays is None:
        table = pa.Table.from_batches([data]) if isinstance(data, pa.RecordBatch) else data
        arrays = _arrays(exact(flattened(table.combine_chunks()), schema), schema)
        assert arrays is not None, "exact() returned other types"
    return Batch(
        {column.name: _flat(column.name, arrays[column.name], fresh) for column in schema.single_hot},
        {column.name: _bag(column.name, arrays[column.name], fresh) for column in schema.multi_hot},
        {name: _flat(name, arrays[name], fresh) for name in schema.continuous},
        _flat(schema.label, arrays[schema.label], fresh),
    )


def _arrays(data: pa.Table | pa.RecordBatch, schema: Schema) -> dict[str, pa.Array] | None:
    """Return each column as one array. None: not all columns have the types of a prepared folder, or large lists."""
    batch = _one_record_batch(data) if isinstance(data, pa.Table) else data
    arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
    try:
        exact_types = (
            all(arrays[column.name].type == _INT32 for column in schema.single_hot)
            and all(_is_list_of_ids(arrays[column.name].type) for column in schema.multi_hot)
            and all(arrays[name].type == _FLOAT32 for name in (*schema.continuous, schema.label))
        )
    except KeyError:
        return None
    return arrays if exact_types else None


def _one_record_batch(table: pa.Table) -> pa.RecordBatch:
    if table.num_columns and table.column(0).num_chunks > 1:  # to_batches() would make an object of each chunk
        table = table.combine_chunks()
    batches = table.to_batches()
    if len(batches) == 1:
        return batches[0]
    return pa.RecordBatch.from_arrays([column.combine_chunks() for column in table.columns], schema=table.schema)


def _is_list_of_ids(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.ListType | pa.LargeListType) and kind.value_type == _INT32


def _flat(name: str, array: pa.Array, fresh: bool) -> Tensor:
    refuse_nulls(name, array.null_count)
    return _tensor(array, fresh)


def _bag(name: str, array: pa.Array, fresh: bool) -> tuple[Tensor, Tensor]:
    refuse_nulls(name, array.null_count)
    large = isinstance(array.type, pa.LargeListType)
    offsets = _tensor(array.offsets, fresh) if len(array) else torch.zeros(1, dtype=torch.int32)
    first, last = offsets[0].item(), offsets[-1].item()
    values = array.values.slice(first, last - first)
    if first or large:
        offsets = (offsets - first).to(torch.int32)
    return _flat(name, values, fresh), offsets


def _tensor(array: pa.Array, fresh: bool) -> Tensor:
    """Return the values of an array without nulls: as a view if they may be written to, else as a copy."""
    dtype, buffer = _TORCH_TYPES[array.type], array.buffers()[1]
    count, begin = len(array), array.offset * dtype.itemsize
    if not count or buffer is None:
        return torch.zeros(count, dtype=dtype)
    if buffer.is_mutable:
        return torch.frombuffer(buffer, dtype=dtype, count=count, offset=begin)
    if fresh:
        return torch.utils.dlpack.from_dlpack(array)
    return torch.frombuffer(bytearray(memoryview(buffer)[begin : begin + count * dtype.itemsize]), dtype=dtype)
