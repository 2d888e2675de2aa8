"""A shard that stays in a device's memory, and its epochs, each shuffled whole by two kernels. host_rows.py is the CPU's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from feedrate.loaders.base import Batch, LoaderConfig
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.packed.kernels import order_words
from feedrate.loaders.packed.packing import Layout, Ordered, pointed_values, write_rows
from feedrate.loaders.parquet.columns import Columns
from feedrate.loaders.phases import phase

BLOCK = 256
"""Batches whose views are made at once."""
MAX_INDEX = 2**31 - 1
"""Rows, and values of a bag column, that the kernels can number."""


class Kernels(Protocol):
    """kernels.source(), compiled."""

    def launch(self, name: str, threads: int, arguments: tuple[Any, ...]) -> None:
        """On the current stream of the current device; pointers are int, numbers numpy scalars."""
        ...


@dataclass(slots=True)
class Epoch:
    """One epoch's rows in order, being made on the device."""

    flat: list[torch.Tensor]
    offsets: list[torch.Tensor]
    """int32 [rows + batches]: B + 1 a batch, each batch's from 0."""
    values: list[torch.Tensor]
    bounds: torch.Tensor
    """int32 [bags, batches + 1], on the host: where each batch's values begin."""
    counted: torch.cuda.Event | None
    """When `bounds` is there."""
    made: torch.cuda.Event | None
    """When all is there."""


class DeviceRows:
    """Packed rows on a device. An epoch is shuffled on a stream of its own while the one before is consumed.

    Two passes: `lengths` finds each place's row and adds up the bags, `rows` reads every packed row once, in the epoch's
    order, and writes all columns. Batches are views; nothing waits for the device but an epoch's start for its own bags.
    """

    def __init__(
        self,
        columns: Columns,
        layout: Layout,
        config: LoaderConfig,
        device: str,
        kernels: Kernels,
    ) -> None:
        """columns: on the device; layout: theirs, for which the kernels were made."""
        self._config, self._device, self._kernels = config, torch.device(device), kernels
        self._layout = layout
        self._total = columns.rows
        self._count = config.rows_of(columns.rows)
        self._batches = -(-self._count // config.batch_size)
        self._rows = torch.zeros(columns.rows, layout.row_bytes, dtype=torch.uint8, device=self._device)
        write_rows(columns, layout, self._rows)
        self._values = pointed_values(columns, layout)
        self._lengths = [
            columns.bags[name][1].diff().to(torch.uint8 if name in layout.inline_names else torch.int32)
            for name in layout.bags
        ]
        self._sizes = [len(columns.bags[name][0]) for name in layout.bags]
        if max(columns.rows, *self._sizes, 0) > MAX_INDEX:
            raise FeedrateError(
                f"the shard has over {MAX_INDEX:,} rows or values: give a --memory-budget, and it is streamed"
            )
        self._side = new_stream(self._device)
        self._next: tuple[int, Epoch] | None = None

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The epoch's batches from number `first` on, on the current stream."""
        key = epoch if self._config.shuffle else 0
        made = self._next[1] if self._next and self._next[0] == key else self.start(key)
        self._next = (key, made) if not self._config.shuffle else None
        rows = hand_over(made, self._device)
        if self._config.shuffle:
            self._next = key + 1, self.start(key + 1)
        for block in range(first, self._batches, BLOCK):
            yield from rows.cut(self._layout, self._config.batch_size, block, min(block + BLOCK, self._batches))

    def close(self) -> None:
        self._next = None
        self._rows = self._rows[:0]
        self._values, self._lengths = {}, []

    def start(self, epoch: int) -> Epoch:
        """Enqueue the epoch's shuffle."""
        with phase("shuffle", self._count):
            return self._start(epoch)

    def _start(self, epoch: int) -> Epoch:
        if self._side is not None:
            self._side.wait_stream(torch.cuda.current_stream(self._device))
        with on_stream(self._side):
            order = torch.empty(self._count, dtype=torch.int32, device=self._device)
            taken = [torch.zeros(self._count + 1, dtype=torch.int32, device=self._device) for _ in self._layout.bags]
            self._launch_lengths(epoch, order, taken)
            for sums in taken:
                sums[1:].cumsum_(0)
            bounds = batch_bounds(taken, self._config.batch_size)
            counted = record(self._side)
            flat = [self._empty(self._count, column.out) for column in self._layout.flat]
            offsets = [self._empty(self._count + self._batches, np.dtype("i4")) for _ in self._layout.bags]
            if self._config.world_size == 1:  # then how many values there are is known without looking
                sizes = self._sizes
            else:
                wait_for(counted)
                sizes = [int(row[-1]) for row in bounds]
            values = [self._empty(size, np.dtype("i4")) for size in sizes]
            self._launch_rows(order, taken, flat, offsets, values)
            return Epoch(flat, offsets, values, bounds, counted, record(self._side))

    def _launch_lengths(self, epoch: int, order: torch.Tensor, taken: list[torch.Tensor]) -> None:
        config = self._config
        words = order_words(self._total, shuffle=config.shuffle, seed=config.seed, epoch=epoch)
        numbers = (*words, *(np.uint32(number) for number in (config.rank, config.world_size, self._count)))
        bags = [pointer for pair in zip(self._lengths, taken, strict=True) for pointer in pointers(*pair)]
        self._kernels.launch("lengths", self._count, (*numbers, order.data_ptr(), *bags))

    def _launch_rows(
        self,
        order: torch.Tensor,
        taken: list[torch.Tensor],
        flat: list[torch.Tensor],
        offsets: list[torch.Tensor],
        values: list[torch.Tensor],
    ) -> None:
        inline = self._layout.inline_names
        arguments: list[Any] = [
            *pointers(self._rows, order),
            np.uint32(self._count),
            np.uint32(self._config.batch_size),
        ]
        arguments += pointers(*flat)
        starts = {name: self._empty(self._count, np.dtype("i8")) for name in self._layout.bags if name not in inline}
        for place, name in enumerate(self._layout.bags):
            arguments += pointers(taken[place], offsets[place], values[place] if name in inline else starts[name])
        self._kernels.launch("rows", self._count, tuple(arguments))
        for place, name in enumerate(self._layout.bags):
            if name not in inline:
                launch_pointed(
                    self._kernels, self._values[name].data_ptr(), starts[name].data_ptr(), taken[place], values[place]
                )

    def _empty(self, rows: int, kind: np.dtype[Any]) -> torch.Tensor:
        return torch.empty(rows, dtype=getattr(torch, kind.name), device=self._device)


def hand_over(epoch: Epoch, device: torch.device) -> Ordered:
    """The epoch's rows, once the current stream waits for them, and the host for where the bags lie."""
    wait_for(epoch.counted)
    if epoch.made is not None:
        consumer = torch.cuda.current_stream(device)
        consumer.wait_event(epoch.made)
        for tensor in (*epoch.flat, *epoch.offsets, *epoch.values):
            tensor.record_stream(consumer)
    return Ordered(epoch.flat, epoch.offsets, epoch.values, epoch.bounds.tolist())


def new_stream(device: torch.device) -> torch.cuda.Stream | None:
    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


def on_stream(stream: torch.cuda.Stream | None) -> contextlib.AbstractContextManager[object]:
    """What is enqueued goes there; None: where it went before."""
    return contextlib.nullcontext() if stream is None else torch.cuda.stream(stream)


def record(stream: torch.cuda.Stream | None) -> torch.cuda.Event | None:
    return None if stream is None else stream.record_event()


def batch_bounds(taken: Sequence[torch.Tensor], size: int) -> torch.Tensor:
    """Where each batch's values begin, and the end: int32 [bags, batches + 1], on its way to the host."""
    if not taken:
        return torch.zeros(0, 1, dtype=torch.int32)
    return to_host(torch.stack([torch.cat([sums[:-1:size], sums[-1:]]) for sums in taken]))


def to_host(found: torch.Tensor) -> torch.Tensor:
    """On its way there."""
    if not found.is_cuda:
        return found
    host = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
    return host.copy_(found, non_blocking=True)


def launch_pointed(kernels: Kernels, values: int, starts: int, taken: torch.Tensor, out: torch.Tensor) -> None:
    """Copy each row's bag, which begins at starts[i] in the values at this address, to taken[i] in `out`. starts: int64 [rows]'s
    address; taken: [rows + 1]."""
    rows = len(taken) - 1
    lanes = _lanes(len(out), rows)
    numbers = np.uint32(rows), np.uint32(lanes)
    kernels.launch("pointed", rows * lanes, (values, starts, taken.data_ptr(), *numbers, out.data_ptr()))


def pointers(*tensors: torch.Tensor) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]


def _lanes(values: int, rows: int) -> int:
    """Threads that share a bag's copying: one for short ones, a warp for long ones."""
    mean = values / max(rows, 1)
    return 1 if mean < 4 else 8 if mean < 32 else 32


def wait_for(event: torch.cuda.Event | None) -> None:
    if event is not None:
        event.synchronize()
