"""A window of rows in memory, mixed: on the CPU a batch at a time, on a GPU whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch

from feedrate.loaders.base import Batch, LoaderConfig
from feedrate.loaders.columns import Columns, draw_order, join
from feedrate.loaders.decode import Part, rounded
from feedrate.loaders.kernels import order_words
from feedrate.loaders.packing import Layout
from feedrate.loaders.resident import (
    Epoch,
    Kernels,
    batch_bounds,
    hand_over,
    launch_pointed,
    new_stream,
    on_stream,
    pointers,
    record,
    wait_for,
)

Mixed = TypeVar("Mixed")


class Mixer(Protocol, Generic[Mixed]):
    def mix(self, parts: Sequence[Part], seed: int) -> Mixed:
        """In the reader's thread: parts, one after the other, in an order fixed by the seed. They may be freed afterwards."""
        ...

    def batches(self, mixed: Mixed, first: int) -> Iterator[Batch]:
        """In the consumer's: the window's batches from number `first` on."""
        ...


class HostMixer:
    def __init__(self, config: LoaderConfig) -> None:
        self._config = config

    def mix(self, parts: Sequence[Part], seed: int) -> tuple[Columns, torch.Tensor]:
        columns = join([part.columns.part(part.begin, part.end) for part in parts])
        if not self._config.shuffle:
            return columns, torch.arange(columns.rows)
        return columns, draw_order(columns.rows, torch.Generator().manual_seed(seed)).long()

    def batches(self, mixed: tuple[Columns, torch.Tensor], first: int) -> Iterator[Batch]:
        (columns, order), size = mixed, self._config.batch_size
        for start in range(first * size, columns.rows, size):
            yield columns.take(order[start : start + size])


class DeviceMixer:
    """All of its work is on one stream, beside the consumer's. What it needs only for a moment it keeps and uses again."""

    def __init__(self, layout: Layout, config: LoaderConfig, device: str, kernels: Kernels) -> None:
        """layout: for the names of the columns; kernels: kernels.window_source() for as many of them."""
        self._layout, self._config, self._kernels = layout, config, kernels
        self._device = torch.device(device)
        self._stream = new_stream(self._device)
        self._buffers: dict[str, torch.Tensor] = {}

    def mix(self, parts: Sequence[Part], seed: int) -> Epoch:
        with on_stream(self._stream):
            mixed = self._shuffle(parts, seed)
        wait_for(mixed.made)  # whoever decoded the parts takes their memory back on another stream
        return mixed

    def batches(self, mixed: Epoch, first: int) -> Iterator[Batch]:
        count, size = len(mixed.flat[-1]), self._config.batch_size
        return hand_over(mixed, self._device).cut(self._layout, size, first, -(-count // size))

    def _shuffle(self, parts: Sequence[Part], seed: int) -> Epoch:
        """Few calls, for in each of them the reader's thread may have to wait for the interpreter's lock."""
        config, rows, bags = self._config, sum(part.end - part.begin for part in parts), self._layout.bags
        size, batches = config.batch_size, -(-rows // config.batch_size)
        table = self._table(parts).data_ptr(), np.uint32(len(parts))
        order = self._buffer("order", rows, torch.int32)
        taken = [self._buffer(f"taken {name}", rows + 1, torch.int32) for name in bags]
        for sums in taken:
            sums[:1] = 0
        words = order_words(rows, shuffle=config.shuffle, seed=seed, epoch=0)
        shard = np.uint32(0), np.uint32(1), np.uint32(rows)
        self._kernels.launch("window_lengths", rows, (*words, *shard, order.data_ptr(), *table, *pointers(*taken)))
        for sums in taken:
            sums[1:].cumsum_(0)
        bounds = batch_bounds(taken, size)
        counted = record(self._stream)
        flat = [self._fresh(rows, getattr(torch, column.out.name)) for column in self._layout.flat]
        offsets = [self._fresh(rows + batches, torch.int32) for _ in bags]
        starts = [self._buffer(f"starts of {name}", rows, torch.int64) for name in bags]
        own = [pointer for each in zip(taken, offsets, starts, strict=True) for pointer in pointers(*each)]
        arguments = (order.data_ptr(), np.uint32(rows), np.uint32(size), *table, *pointers(*flat), *own)
        self._kernels.launch("window_rows", rows, arguments)
        wait_for(counted)
        values = [self._fresh(total, torch.int32) for total in bounds[:, -1].tolist()]
        for begin, sums, out in zip(starts, taken, values, strict=True):
            launch_pointed(self._kernels, 0, begin, sums, out)
        return Epoch(flat, offsets, values, bounds, counted, record(self._stream))

    def _table(self, parts: Sequence[Part]) -> torch.Tensor:
        """As kernels.window_source() wants it: int64, a line for each part."""
        lines, first = [], 0
        for part in parts:
            lines.append([first, *_places(part)])
            first += part.end - part.begin
        table = torch.tensor(lines, dtype=torch.int64)
        return self._buffer("parts", table.numel(), torch.int64).copy_(table.view(-1))

    def _buffer(self, name: str, count: int, kind: torch.dtype) -> torch.Tensor:
        """Memory of the mixer's own: what is in it is over with the next window."""
        if name not in self._buffers or len(self._buffers[name]) < count:
            self._buffers.pop(name, None)
            self._buffers[name] = torch.empty(rounded(count), dtype=kind, device=self._device)
        return self._buffers[name][:count]

    def _fresh(self, count: int, kind: torch.dtype) -> torch.Tensor:
        """Memory that goes to the consumer, of a size that the next window's probably has, too: then it is found again."""
        return torch.empty(rounded(count), dtype=kind, device=self._device)[:count]


def _places(part: Part) -> list[int]:
    """Addresses of its rows' columns, all of 4 bytes, and of each bag column's offsets and values."""
    columns = part.columns
    flat = (*columns.ids.values(), *columns.dense.values(), columns.label)
    found = [column.data_ptr() + 4 * part.begin for column in flat]
    for values, offsets in columns.bags.values():
        assert offsets.element_size() == values.element_size() == 4
        found += [offsets.data_ptr() + 4 * part.begin, values.data_ptr()]
    return found
