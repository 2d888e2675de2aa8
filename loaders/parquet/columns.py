"""Reads the Parquet files of a split into tensors in host memory.

The native loaders, replay and the tests start from these columns.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from feedrate.loaders.base import Batch, Schema, Split
from feedrate.loaders.parquet.exact import exact, read_exact
from feedrate.loaders.parquet.open_file import parquet_file
from feedrate.loaders.phases import phase

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Columns:
    """All rows of a split as row-aligned columns in file order.

    Tensors are as in Batch, with ids and values in int32. Offsets are int32 as well, or int64 from 2^31 values on.
    """

    ids: Mapping[str, Tensor]
    """Single-hot: int32 [rows]."""
    bags: Mapping[str, tuple[Tensor, Tensor]]
    """Multi-hot: (values [N], offsets [rows + 1])."""
    dense: Mapping[str, Tensor]
    """Continuous: float32 [rows]."""
    label: Tensor
    """float32 [rows]."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.label.shape[0]

    @property
    def flat(self) -> list[Tensor]:
        """All columns but the bags, in the order of packing.Layout.flat: ids, continuous columns, label."""
        return [*self.ids.values(), *self.dense.values(), self.label]

    def map(self, change: Callable[[Tensor], Tensor]) -> Columns:
        """Return the same columns with `change` applied to every tensor."""
        return _as_columns(Batch(self.ids, self.bags, self.dense, self.label).map(change))

    def to(self, device: str) -> Columns:
        """Return the columns on this device. Copies nothing if they are already there."""
        return self.map(lambda tensor: tensor.to(device))

    def part(self, start: int, stop: int) -> Columns:
        """Return rows start..stop (exclusive) as columns. They are views, except for the offsets."""
        return _as_columns(self.slice(start, stop))

    def take(self, rows: Tensor) -> Batch:
        """Copy the rows at these positions (int64 [B]), in that order."""
        return Batch(
            {name: column.index_select(0, rows) for name, column in self.ids.items()},
            {name: take_bags(values, offsets, rows) for name, (values, offsets) in self.bags.items()},
            {name: column.index_select(0, rows) for name, column in self.dense.items()},
            self.label.index_select(0, rows),
        )

    def slice(self, start: int, stop: int) -> Batch:
        """Return rows start..stop (exclusive) as a batch. The tensors are views, except for the offsets."""
        return Batch(
            {name: column[start:stop] for name, column in self.ids.items()},
            {name: _slice_bags(values, offsets, start, stop) for name, (values, offsets) in self.bags.items()},
            {name: column[start:stop] for name, column in self.dense.items()},
            self.label[start:stop],
        )


def join(parts: Sequence[Columns]) -> Columns:
    """Concatenate columns in new memory. `parts` must not be empty."""
    first = parts[0]
    if len(parts) == 1:
        return first.map(lambda tensor: tensor.clone())
    return Columns(
        {name: torch.cat([part.ids[name] for part in parts]) for name in first.ids},
        {name: _join_bags([part.bags[name] for part in parts]) for name in first.bags},
        {name: torch.cat([part.dense[name] for part in parts]) for name in first.dense},
        torch.cat([part.label for part in parts]),
    )


def read_columns(split: Split) -> Columns:
    """Read the whole split into host memory. Raises FeedrateError as exact() does."""
    tables = []
    for file in split.files:
        with parquet_file(file) as opened:
            tables.append(read_exact(opened, split.schema, file))
    return columns_of_exact(pa.concat_tables(tables), split.schema)


def read_head(split: Split, rows: int) -> Batch:
    """Read the first rows of the first row group, at most this many. Raises FeedrateError as exact() does."""
    file = split.files[0]
    with parquet_file(file) as opened:
        columns = columns_of_exact(read_exact(opened, split.schema, file, 0), split.schema)
    return columns.slice(0, min(rows, columns.rows))


def columns_of_table(table: pa.Table, schema: Schema) -> Columns:
    """Convert an Arrow table that holds at least the schema's columns. Raises FeedrateError as exact() does."""
    return columns_of_exact(exact(table, schema), schema)


def columns_of_exact(table: pa.Table, schema: Schema) -> Columns:
    """Convert a table that exact() returned."""
    return Columns(
        {column.name: _flat(table[column.name], np.int32) for column in schema.single_hot},
        {column.name: _bags(table[column.name]) for column in schema.multi_hot},
        {name: _flat(table[name], np.float32) for name in schema.continuous},
        _flat(table[schema.label], np.float32),
    )


def take_bags(values: Tensor, offsets: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Copy the bags of these rows (int64 [B]). Returns (values int32 [N], offsets int32 [B + 1])."""
    starts = offsets.index_select(0, rows)
    return take_positions(values, starts, offsets.index_select(0, rows + 1) - starts)


def take_positions(values: Tensor, starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Copy the bags that begin at `starts` in `values` and have these lengths.

    starts: int32 or int64 [B]. lengths: integers [B].
    Returns (values int32 [N], offsets int32 [B + 1]).
    """
    taken = torch.zeros(starts.shape[0] + 1, dtype=torch.int32, device=starts.device)
    torch.cumsum(lengths, 0, dtype=torch.int32, out=taken[1:])
    # value j of the result comes from position j + (where its bag starts - where its bag lands)
    positions = torch.repeat_interleave(starts - taken[:-1], lengths)
    positions += torch.arange(positions.shape[0], dtype=positions.dtype, device=positions.device)
    return values.index_select(0, positions), taken


def batch_to(batch: Batch, device: str) -> Batch:
    """Copy a batch to a device. The copy is asynchronous if the host memory is pinned."""
    if device == "cpu":
        return batch
    with phase("copy", sum(tensor.nbytes for tensor in batch.tensors())):
        return batch.map(lambda tensor: tensor.to(device, non_blocking=True))


def epoch_order(rows: int, *, shuffle: bool, seed: int, epoch: int, rank: int = 0, world_size: int = 1) -> np.ndarray:
    """Return the row positions of one rank's epoch as int64 [rows of the shard].

    A rank takes every world_size-th position of the order, so the sizes of shards differ by at most one row.
    """
    if not shuffle:
        return np.arange(rank, rows, world_size)
    return draw_order(rows, order_generator(seed, epoch)).numpy()[rank::world_size].astype(np.int64)


def order_generator(seed: int, epoch: int) -> torch.Generator:
    """Return the random generator that the epoch's order is drawn from."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0]))


def draw_order(rows: int, generator: torch.Generator) -> Tensor:
    """Draw a random order of all rows, as int32 for up to 2^31 - 1 rows, otherwise as int64.

    torch draws int32 twice as fast as int64, and twice as fast as NumPy does.
    """
    return torch.randperm(rows, generator=generator, dtype=torch.int32 if rows < 2**31 else torch.int64)


def _flat(column: pa.ChunkedArray, dtype: type) -> Tensor:
    return torch.from_numpy(np.array(column.to_numpy(), dtype=dtype))


def _bags(column: pa.ChunkedArray) -> tuple[Tensor, Tensor]:
    array = column.combine_chunks()
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    lengths = np.concatenate([np.zeros(1, np.int64), *(chunk.value_lengths().to_numpy() for chunk in chunks)])
    values = np.concatenate([np.zeros(0, np.int32), *(chunk.flatten().to_numpy() for chunk in chunks)])
    offsets = np.cumsum(lengths)
    # int32 if the offsets fit: half the bytes to gather
    dtype = np.int32 if offsets[-1] < 2**31 else np.int64
    return torch.from_numpy(values.astype(np.int32)), torch.from_numpy(offsets.astype(dtype))


def _as_columns(batch: Batch) -> Columns:
    return Columns(batch.ids, batch.bags, batch.dense, batch.label)


def _join_bags(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Concatenate bags. The offsets of each part begin at 0."""
    values = torch.cat([part_values for part_values, _ in parts])
    bases = itertools.accumulate((len(part_values) for part_values, _ in parts), initial=0)
    dtype = torch.int32 if len(values) < 2**31 else torch.int64
    shifted = [offsets[1:].to(dtype) + base for (_, offsets), base in zip(parts, bases, strict=False)]
    return values, torch.cat([shifted[0].new_zeros(1), *shifted])


def _slice_bags(values: Tensor, offsets: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
    bounds = offsets[start : stop + 1]
    first, last = int(bounds[0]), int(bounds[-1])
    return values[first:last], (bounds - first).to(torch.int32)
