"""What the bare loops share: tensors of Arrow data and of columns in memory, as one writes them without feedrate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

Bag = tuple[torch.Tensor, torch.Tensor]
Tensors = dict[str, torch.Tensor | Bag]
"""A batch: a tensor for each column, and (values, offsets) for a column of lists."""
Epoch = Callable[[int], Iterator[Tensors]]
"""Yields the batches of an epoch, whose number is given."""
WINDOW = 2**20
"""Rows that loops over files mix: as many as the adapters do."""


def tensors_of_arrow(data: pa.Table | pa.RecordBatch) -> Tensors:
    """The columns as tensors, without copies if each is one chunk."""
    return {name: _tensors(data.column(name)) for name in data.schema.names}


def _tensors(column: pa.ChunkedArray | pa.Array) -> torch.Tensor | Bag:
    array = column
    if isinstance(column, pa.ChunkedArray):
        array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
        return torch.from_dlpack(array)
    offsets = torch.from_dlpack(array.offsets)
    first, last = int(offsets[0]), int(offsets[-1])
    return torch.from_dlpack(array.values.slice(first, last - first)), offsets - first


def slices(table: pa.Table, batch_size: int) -> Iterator[Tensors]:
    """Cut a table into batches."""
    for begin in range(0, len(table), batch_size):
        yield tensors_of_arrow(table.slice(begin, batch_size))


def mixed(tables: list[pa.Table], seed: list[int]) -> pa.Table:
    """Join the tables and mix their rows."""
    table = pa.concat_tables(tables).combine_chunks()
    return table.take(pa.array(np.random.default_rng(seed).permutation(len(table)).astype(np.int32)))


def read_tensors(files: tuple[Path, ...]) -> Tensors:
    """All rows of the files as tensors."""
    return tensors_of_arrow(pa.concat_tables(map(pq.read_table, files)).combine_chunks())


def gather(columns: Tensors, rows: torch.Tensor) -> Tensors:
    """The rows at these positions."""
    return {name: _gather(column, rows) for name, column in columns.items()}


def _gather(column: torch.Tensor | Bag, rows: torch.Tensor) -> torch.Tensor | Bag:
    if isinstance(column, torch.Tensor):
        return column.index_select(0, rows)
    values, offsets = column
    starts = offsets.index_select(0, rows)
    return gather_bags(values, starts, offsets.index_select(0, rows + 1) - starts)


def gather_bags(values: torch.Tensor, starts: torch.Tensor, lengths: torch.Tensor) -> Bag:
    """The bags that begin at `starts`, with these lengths."""
    offsets = torch.zeros(len(starts) + 1, dtype=torch.int32)
    torch.cumsum(lengths, 0, dtype=torch.int32, out=offsets[1:])
    places = torch.repeat_interleave(starts - offsets[:-1], lengths)
    places += torch.arange(len(places), dtype=places.dtype)
    return values.index_select(0, places), offsets


def part(column: torch.Tensor | Bag, begin: int, end: int) -> torch.Tensor | Bag:
    """Rows begin..end (exclusive) of a column, as views."""
    if isinstance(column, torch.Tensor):
        return column[begin:end]
    values, offsets = column[0], column[1][begin : end + 1]
    return values[int(offsets[0]) : int(offsets[-1])], offsets - offsets[0]


def permutation(rows: int, epoch: int) -> torch.Tensor:
    """A random order of all rows."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(epoch), dtype=torch.int32)
