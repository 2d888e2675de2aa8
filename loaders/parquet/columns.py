"""A split's Parquet as tensors in host memory: what the native loaders, replay and the tests start from."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from feedrate.loaders.base import Batch, Schema, Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.phases import phase

if TYPE_CHECKING:
    from torch import Tensor

_WIDE = (pa.int64(), pa.uint64(), pa.uint32())


@dataclass(frozen=True, slots=True)
class Columns:
    """All rows of a split, row-aligned, in file order. Tensors as in Batch (ids, values and offsets int32)."""

    ids: Mapping[str, Tensor]
    bags: Mapping[str, tuple[Tensor, Tensor]]
    dense: Mapping[str, Tensor]
    label: Tensor

    @property
    def rows(self) -> int:
        return self.label.shape[0]

    @property
    def flat(self) -> list[Tensor]:
        """Ids, continuous columns and the label: all but the bags, in the order of packing.Layout.flat."""
        return [*self.ids.values(), *self.dense.values(), self.label]

    def map(self, change: Callable[[Tensor], Tensor]) -> Columns:
        """The same columns with every tensor changed."""
        return _as_columns(Batch(self.ids, self.bags, self.dense, self.label).map(change))

    def to(self, device: str) -> Columns:
        """A copy in a device's memory."""
        return self.map(lambda tensor: tensor.to(device))

    def part(self, start: int, stop: int) -> Columns:
        """Rows start..stop as views, but for the offsets."""
        return _as_columns(self.slice(start, stop))

    def take(self, rows: Tensor) -> Batch:
        """The rows at these positions (int64 [B]), in that order."""
        return Batch(
            {name: column.index_select(0, rows) for name, column in self.ids.items()},
            {name: take_bags(values, offsets, rows) for name, (values, offsets) in self.bags.items()},
            {name: column.index_select(0, rows) for name, column in self.dense.items()},
            self.label.index_select(0, rows),
        )

    def slice(self, start: int, stop: int) -> Batch:
        """Rows start..stop as views; only the offsets are new."""
        return Batch(
            {name: column[start:stop] for name, column in self.ids.items()},
            {name: _slice_bags(values, offsets, start, stop) for name, (values, offsets) in self.bags.items()},
            {name: column[start:stop] for name, column in self.dense.items()},
            self.label[start:stop],
        )


def join(parts: Sequence[Columns]) -> Columns:
    """One after the other, in memory of their own; at least one."""
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
    """Read the whole split into host memory."""
    table = pa.concat_tables([pq.read_table(file, columns=list(split.schema.columns)) for file in split.files])
    return columns_of_table(table, split.schema)


def read_head(split: Split, rows: int) -> Batch:
    """The first rows of the first row group, at most so many."""
    group = pq.ParquetFile(split.files[0]).read_row_group(0, columns=list(split.schema.columns))
    columns = columns_of_table(group, split.schema)
    return columns.slice(0, min(rows, columns.rows))


def columns_of_table(table: pa.Table, schema: Schema) -> Columns:
    """The same for an Arrow table that holds at least the schema's columns. Raises FeedrateError as refuse_unfit() does."""
    refuse_unfit(table, schema)
    return Columns(
        {column.name: _flat(table[column.name], np.int32) for column in schema.single_hot},
        {column.name: _bags(table[column.name]) for column in schema.multi_hot},
        {name: _flat(table[name], np.float32) for name in schema.continuous},
        _flat(table[schema.label], np.float32),
    )


def refuse_unfit(table: pa.Table, schema: Schema) -> None:
    """Raises FeedrateError for nulls, and for ids that int32 does not hold: they would become other ids without a word."""
    for name in schema.columns:
        column = table[name]
        refuse_nulls(name, column.null_count)
        for chunk in column.chunks:
            values = chunk.flatten() if pa.types.is_nested(chunk.type) else chunk
            refuse_nulls(name, values.null_count)
            if values.type in _WIDE and len(values):
                refuse_wide(name, *pc.min_max(values).as_py().values())


def refuse_nulls(name: str, nulls: int) -> None:
    if nulls:
        raise FeedrateError(f"column {name!r} has {nulls} null(s): fill them, or let `feedrate prepare parquet` do it")


def refuse_wide(name: str, least: int, greatest: int) -> None:
    if not -(2**31) <= least <= greatest < 2**31:
        wide = greatest if greatest >= 2**31 else least
        raise FeedrateError(
            f"column {name!r} has the id {wide}, which 32 bits do not hold: `feedrate prepare parquet --categorify {name}` "
            "numbers them anew"
        )


def take_bags(values: Tensor, offsets: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The bags of these rows: (values int32 [N], offsets int32 [B + 1])."""
    starts = offsets.index_select(0, rows)
    return take_positions(values, starts, offsets.index_select(0, rows + 1) - starts)


def take_positions(values: Tensor, starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The bags that begin at `starts` (int32 or int64 [B]) and are so long: (values int32 [N], offsets int32 [B + 1])."""
    taken = torch.zeros(starts.shape[0] + 1, dtype=torch.int32, device=starts.device)
    torch.cumsum(lengths, 0, dtype=torch.int32, out=taken[1:])
    # value j of the result comes from position j + (where its bag starts - where its bag lands)
    positions = torch.repeat_interleave(starts - taken[:-1], lengths)
    positions += torch.arange(positions.shape[0], dtype=positions.dtype, device=positions.device)
    return values.index_select(0, positions), taken


def batch_to(batch: Batch, device: str) -> Batch:
    """Copy a batch to a device; asynchronous where the host memory is pinned."""
    if device == "cpu":
        return batch
    with phase("copy", sum(tensor.nbytes for tensor in batch.tensors())):
        return batch.map(lambda tensor: tensor.to(device, non_blocking=True))


def epoch_order(rows: int, *, shuffle: bool, seed: int, epoch: int, rank: int = 0, world_size: int = 1) -> np.ndarray:
    """Row positions of one rank's epoch, int64: every world_size-th of the whole order, so shards differ by at most a row."""
    if not shuffle:
        return np.arange(rank, rows, world_size)
    return draw_order(rows, order_generator(seed, epoch)).numpy()[rank::world_size].astype(np.int64)


def order_generator(seed: int, epoch: int) -> torch.Generator:
    """The source of the epoch's order."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0]))


def draw_order(rows: int, generator: torch.Generator) -> Tensor:
    """A random order of all rows: int32 where that reaches, which torch draws twice as fast as int64, and as NumPy."""
    return torch.randperm(rows, generator=generator, dtype=torch.int32 if rows < 2**31 else torch.int64)


def _flat(column: pa.ChunkedArray, dtype: type) -> Tensor:
    return torch.from_numpy(np.array(column.to_numpy(), dtype=dtype))


def _bags(column: pa.ChunkedArray) -> tuple[Tensor, Tensor]:
    array = column.combine_chunks()
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    lengths = np.concatenate([np.zeros(1, np.int64), *(chunk.value_lengths().to_numpy() for chunk in chunks)])
    values = np.concatenate([np.zeros(0, np.int32), *(chunk.flatten().to_numpy() for chunk in chunks)])
    offsets = np.cumsum(lengths)
    # int32 as long as it reaches: half the bytes to gather
    wide = np.int32 if offsets[-1] < 2**31 else np.int64
    return torch.from_numpy(values.astype(np.int32)), torch.from_numpy(offsets.astype(wide))


def _as_columns(batch: Batch) -> Columns:
    return Columns(batch.ids, batch.bags, batch.dense, batch.label)


def _join_bags(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Offsets of each part begin at 0."""
    values = torch.cat([own for own, _ in parts])
    before = itertools.accumulate((len(own) for own, _ in parts), initial=0)
    wide = torch.int32 if len(values) < 2**31 else torch.int64
    moved = [offsets[1:].to(wide) + base for (_, offsets), base in zip(parts, before, strict=False)]
    return values, torch.cat([moved[0].new_zeros(1), *moved])


def _slice_bags(values: Tensor, offsets: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
    own = offsets[start : stop + 1]
    first, last = int(own[0]), int(own[-1])
    return values[first:last], (own - first).to(torch.int32)
