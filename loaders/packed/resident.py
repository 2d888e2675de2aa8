"""A shard that stays in a device's memory. Two kernels shuffle all of it for each epoch.

host_rows.py does the same on the CPU.
"""

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
"""Number of batches whose views are created at once."""
MAX_INDEX = 2**31 - 1
"""Maximum number of rows, and of values in one bag column, that the kernels can number."""


class Kernels(Protocol):
    """Compiled kernels, such as those of kernels.source()."""

    def launch(self, name: str, threads: int, arguments: tuple[Any, ...]) -> None:
        """Launch a kernel on torch's current stream, in at least this many threads.

        arguments: device addresses as int, numbers and structs as NumPy scalars.
        """
        ...


@dataclass(slots=True)
class Epoch:
    """One epoch's rows in order. The device may still be writing them."""

    flat: list[torch.Tensor]
    """Columns in the order of Layout.flat: [rows] each."""
    offsets: list[torch.Tensor]
    """Offsets of each bag column: int32 [rows + batches]. Each batch of B rows has B + 1 of them, which begin at 0."""
    values: list[torch.Tensor]
    """Values of each bag column: int32 [N]."""
    bounds: torch.Tensor
    """Where each batch's values begin, and the end of the last one: int32 [bags, batches + 1], on the host."""
    bounds_ready: torch.cuda.Event | None
    """Recorded behind the copy of `bounds` to the host. None on the CPU."""
    ready: torch.cuda.Event | None
    """Recorded behind everything else. None on the CPU."""


class DeviceRows:
    """Packed rows on a device. The next epoch is shuffled on a separate stream while the current one is consumed.

    A shuffle takes two passes. The kernel `lengths` finds the row of each place and the lengths of its bags, which are
    then summed up. The kernel `rows` reads every packed row once, in the epoch's order, and writes all columns.
    Batches are views. The host waits for the device only when an epoch starts, to learn where its bags lie.
    """

    def __init__(
        self,
        columns: Columns,
        layout: Layout,
        config: LoaderConfig,
        device: str,
        kernels: Kernels,
    ) -> None:
        """columns: the split's rows, on the device.
        layout: from choose_layout(columns).
        kernels: compiled from kernels.source(layout).
        Raises FeedrateError if there are more rows or values than the kernels can number.
        """
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
                f"the shard has more than {MAX_INDEX:,} rows, or values in one column: set --memory-budget to stream it"
            )
        self._side = new_stream(self._device)
        self._next: tuple[int, Epoch] | None = None

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yield the epoch's batches, starting with batch number `first`, ready on the current stream."""
        key = epoch if self._config.shuffle else 0
        shuffled = self._next[1] if self._next and self._next[0] == key else self.start(key)
        self._next = (key, shuffled) if not self._config.shuffle else None
        rows = hand_over(shuffled, self._device)
        if self._config.shuffle:
            self._next = key + 1, self.start(key + 1)
        for block in range(first, self._batches, BLOCK):
            yield from rows.cut(self._layout, self._config.batch_size, block, min(block + BLOCK, self._batches))

    def close(self) -> None:
        """Free the packed rows and the next epoch. Safe to call twice."""
        self._next = None
        self._rows = self._rows[:0]
        self._values, self._lengths = {}, []

    def start(self, epoch: int) -> Epoch:
        """Enqueue the epoch's shuffle without waiting for it."""
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
            bounds_ready = record_event(self._side)
            flat = [self._empty(self._count, column.out) for column in self._layout.flat]
            offsets = [self._empty(self._count + self._batches, np.dtype("i4")) for _ in self._layout.bags]
            if self._config.world_size == 1:  # then the number of values is known without the bounds
                sizes = self._sizes
            else:
                wait_for(bounds_ready)
                sizes = [int(row[-1]) for row in bounds]
            values = [self._empty(size, np.dtype("i4")) for size in sizes]
            self._launch_rows(order, taken, flat, offsets, values)
            return Epoch(flat, offsets, values, bounds, bounds_ready, record_event(self._side))

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

    def _empty(self, rows: int, dtype: np.dtype[Any]) -> torch.Tensor:
        return torch.empty(rows, dtype=getattr(torch, dtype.name), device=self._device)


def hand_over(epoch: Epoch, device: torch.device) -> Ordered:
    """Return the epoch's rows for use on the current stream.

    The stream waits for the rows. The host waits only for the bounds of the batches.
    """
    wait_for(epoch.bounds_ready)
    if epoch.ready is not None:
        consumer = torch.cuda.current_stream(device)
        consumer.wait_event(epoch.ready)
        for tensor in (*epoch.flat, *epoch.offsets, *epoch.values):
            tensor.record_stream(consumer)
    return Ordered(epoch.flat, epoch.offsets, epoch.values, epoch.bounds.tolist())


def new_stream(device: torch.device) -> torch.cuda.Stream | None:
    """Return a new stream of the device, or None for the CPU."""
    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


def on_stream(stream: torch.cuda.Stream | None) -> contextlib.AbstractContextManager[object]:
    """Enqueue on this stream within the context. None: leave the current stream as it is."""
    return contextlib.nullcontext() if stream is None else torch.cuda.stream(stream)


def record_event(stream: torch.cuda.Stream | None) -> torch.cuda.Event | None:
    """Record an event behind everything enqueued on the stream so far. None for no stream."""
    return None if stream is None else stream.record_event()


def batch_bounds(taken: Sequence[torch.Tensor], size: int) -> torch.Tensor:
    """Return where each batch's values begin, and the end of the last one: int32 [bags, batches + 1].

    taken: cumulative bag lengths [rows + 1] of each bag column. size: rows of a batch.
    The result is being copied to the host: wait for the current stream before reading it.
    """
    if not taken:
        return torch.zeros(0, 1, dtype=torch.int32)
    return to_host(torch.stack([torch.cat([sums[:-1:size], sums[-1:]]) for sums in taken]))


def to_host(tensor: torch.Tensor) -> torch.Tensor:
    """Start copying a tensor to pinned host memory. Wait for the current stream before reading the copy."""
    if not tensor.is_cuda:
        return tensor
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)


def launch_pointed(kernels: Kernels, values: int, starts: int, taken: torch.Tensor, out: torch.Tensor) -> None:
    """Copy the bag of each row i from values[starts[i]] on to out[taken[i]] on.

    values, starts: addresses of int32 [N] and int64 [rows].
    taken: cumulative bag lengths, int32 [rows + 1]. out: int32 [taken[-1]].
    """
    rows = len(taken) - 1
    lanes = _lanes(len(out), rows)
    numbers = np.uint32(rows), np.uint32(lanes)
    kernels.launch("pointed", rows * lanes, (values, starts, taken.data_ptr(), *numbers, out.data_ptr()))


def pointers(*tensors: torch.Tensor) -> list[int]:
    """Return the addresses of the tensors, as kernels take them."""
    return [tensor.data_ptr() for tensor in tensors]


def _lanes(values: int, rows: int) -> int:
    """Return the number of threads that copy one bag together: one for short bags, a warp for long ones."""
    mean = values / max(rows, 1)
    return 1 if mean < 4 else 8 if mean < 32 else 32


def wait_for(event: torch.cuda.Event | None) -> None:
    """Block the host until the event. Does nothing for None."""
    if event is not None:
        event.synchronize()
