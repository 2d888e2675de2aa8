"""A window of rows in memory, mixed: on the CPU a batch at a time, on a GPU whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

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
            flat, bags = self._join(parts)
            if self._stream is not None:
                self._stream.synchronize()  # whoever decoded the parts takes their memory back on another stream
            return self._shuffle(flat, bags, seed)

    def batches(self, mixed: Epoch, first: int) -> Iterator[Batch]:
        count, size = len(mixed.flat[-1]), self._config.batch_size
        return hand_over(mixed, self._device).cut(self._layout, size, first, -(-count // size))

    def _join(self, parts: Sequence[Part]) -> tuple[list[torch.Tensor], list[tuple[torch.Tensor, torch.Tensor]]]:
        """The parts' columns one after the other: (ids, dense and label, int32 or float32 [rows]; (values, offsets) of bags)."""
        parts = list(_merged(parts))
        rows = sum(part.end - part.begin for part in parts)
        columns = [_flat(part) for part in parts]
        flat = []
        for place, own in enumerate(zip(*columns, strict=True)):
            out = self._buffer(f"flat {place}", rows, own[0].dtype)
            flat.append(torch.cat(own, out=out))
        return flat, [self._join_bags(name, parts, rows) for name in self._layout.bags]

    def _join_bags(self, name: str, parts: Sequence[Part], rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        bounds = [_bounds_of(part, name) for part in parts]
        size = sum(last - first for first, last in bounds)
        values = self._buffer(f"values of {name}", size, torch.int32)
        own = [part.columns.bags[name][0][first:last] for part, (first, last) in zip(parts, bounds, strict=True)]
        torch.cat(own, out=values)
        offsets = self._buffer(f"offsets of {name}", rows + 1, torch.int32)
        offsets[:1] = 0
        at = base = 0
        for part, (first, last) in zip(parts, bounds, strict=True):
            count = part.end - part.begin
            ends = part.columns.bags[name][1][part.begin + 1 : part.end + 1]
            torch.add(ends, base - first, out=offsets[at + 1 : at + 1 + count])
            at, base = at + count, base + last - first
        return values, offsets

    def _shuffle(self, columns: list[torch.Tensor], bags: list[tuple[torch.Tensor, torch.Tensor]], seed: int) -> Epoch:
        config, rows = self._config, len(columns[-1])
        size, batches = config.batch_size, -(-rows // config.batch_size)
        order = self._buffer("order", rows, torch.int32)
        taken = [self._buffer(f"taken {place}", rows + 1, torch.int32) for place in range(len(bags))]
        for sums in taken:
            sums[:1] = 0
        words = order_words(rows, shuffle=config.shuffle, seed=seed, epoch=0)
        pairs = [pointer for (_, offsets), sums in zip(bags, taken, strict=True) for pointer in pointers(offsets, sums)]
        shard = np.uint32(0), np.uint32(1), np.uint32(rows)
        self._kernels.launch("window_lengths", rows, (*words, *shard, order.data_ptr(), *pairs))
        for sums in taken:
            sums[1:].cumsum_(0)
        bounds = batch_bounds(taken, size)
        counted = record(self._stream)
        flat = [self._fresh(rows, column.dtype) for column in columns]
        offsets = [self._fresh(rows + batches, torch.int32) for _ in bags]
        values = [self._fresh(len(own), torch.int32) for own, _ in bags]
        starts = [self._buffer(f"starts {place}", rows, torch.int64) for place in range(len(bags))]
        arguments: list[Any] = [order.data_ptr(), np.uint32(rows), np.uint32(size)]
        for column, out in zip(columns, flat, strict=True):
            arguments += pointers(column, out)
        for (_, own), *others in zip(bags, taken, offsets, starts, strict=True):
            arguments += pointers(own, *others)
        self._kernels.launch("window_rows", rows, tuple(arguments))
        for (own, _), begin, sums, out in zip(bags, starts, taken, values, strict=True):
            launch_pointed(self._kernels, own, begin, sums, out)
        return Epoch(flat, offsets, values, bounds, counted, record(self._stream))

    def _buffer(self, name: str, count: int, kind: torch.dtype) -> torch.Tensor:
        """Memory of the mixer's own: what is in it is over with the next window."""
        if name not in self._buffers or len(self._buffers[name]) < count:
            self._buffers.pop(name, None)
            self._buffers[name] = torch.empty(rounded(count), dtype=kind, device=self._device)
        return self._buffers[name][:count]

    def _fresh(self, count: int, kind: torch.dtype) -> torch.Tensor:
        """Memory that goes to the consumer, of a size that the next window's probably has, too: then it is found again."""
        return torch.empty(rounded(count), dtype=kind, device=self._device)[:count]


def _merged(parts: Sequence[Part]) -> Iterator[Part]:
    """Parts that lie side by side are one."""
    last: Part | None = None
    for part in parts:
        if last is not None and part.columns is last.columns and part.begin == last.end:
            last = Part(part.columns, last.begin, part.end)
            continue
        if last is not None:
            yield last
        last = part
    if last is not None:
        yield last


def _flat(part: Part) -> list[torch.Tensor]:
    columns = part.columns
    tensors = (*columns.ids.values(), *columns.dense.values(), columns.label)
    return [tensor[part.begin : part.end] for tensor in tensors]


def _bounds_of(part: Part, name: str) -> tuple[int, int]:
    """Where the part's values begin and end. Waits for the device unless they are all."""
    values, offsets = part.columns.bags[name]
    if part.begin == 0 and part.end == part.columns.rows:
        return 0, len(values)
    first, last = torch.stack([offsets[part.begin], offsets[part.end]]).tolist()
    return first, last
