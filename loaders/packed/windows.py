"""Mixes the rows of a window in memory: on the CPU a batch at a time, on a GPU all at once."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch

from feedrate.loaders.base import Batch, LoaderConfig
from feedrate.loaders.memory.blocks import Blocks, Cutter, Loan
from feedrate.loaders.packed.budget import BLOCKS, WindowMemory
from feedrate.loaders.packed.kernels import order_words
from feedrate.loaders.packed.packing import Layout
from feedrate.loaders.packed.resident import (
    Epoch,
    Kernels,
    hand_over,
    launch_pointed,
    new_stream,
    on_stream,
    pointers,
    record_event,
    to_host,
)
from feedrate.loaders.parquet.columns import Columns, draw_order, join
from feedrate.loaders.parquet.decode import Part
from feedrate.loaders.phases import phase

Mixed = TypeVar("Mixed")
"""A mixer's own type for a window that is being mixed."""
Shuffled = tuple[Columns, torch.Tensor]
"""A window's columns and the order of their rows."""


class Mixer(Protocol, Generic[Mixed]):
    """Mixes windows of rows and cuts them into batches."""

    def begin(self, parts: Sequence[Part], seed: int, *, wait: bool) -> Mixed | None:
        """Begin to mix the rows of these parts in an order fixed by the seed.

        Returns None if there is no memory for the window yet. With wait=True, memory is allocated if necessary.
        """
        ...

    def advance(self) -> None:
        """Continue with the windows that were begun, as far as possible without waiting."""
        ...

    def batches(self, mixed: Mixed, first: int) -> Iterator[Batch]:
        """Return the window's batches, starting with batch number `first`."""
        ...

    def close(self) -> None:
        """Wait for the work in progress and free the memory. No window may be begun afterwards."""
        ...


class HostMixer:
    """Mixes on the CPU, in a thread of its own, so that torch works beside the consumer."""

    def __init__(self, config: LoaderConfig) -> None:
        self._config, self._pool = config, ThreadPoolExecutor(1, thread_name_prefix="mix")

    def begin(self, parts: Sequence[Part], seed: int, *, wait: bool) -> Future[Shuffled]:  # noqa: ARG002
        """Begin to mix a window. It never has to wait for memory."""
        return self._pool.submit(_shuffled, parts, seed if self._config.shuffle else None)

    def advance(self) -> None:
        """Do nothing: the thread makes progress by itself."""

    def batches(self, mixed: Future[Shuffled], first: int) -> Iterator[Batch]:
        """Yield the window's batches, starting with batch number `first`."""
        with phase("wait"):
            columns, order = mixed.result()
        for start in range(first * self._config.batch_size, columns.rows, self._config.batch_size):
            yield columns.take(order[start : start + self._config.batch_size])

    def close(self) -> None:
        """Wait for the window being mixed, and stop the thread."""
        self._pool.shutdown(cancel_futures=True)


def _shuffled(parts: Sequence[Part], seed: int | None) -> Shuffled:
    """Join the parts and draw an order of their rows. A seed of None keeps them as they are."""
    with phase("shuffle", sum(part.end - part.begin for part in parts)):
        columns = join([part.columns.part(part.begin, part.end) for part in parts])
        if seed is None:
            return columns, torch.arange(columns.rows)
        return columns, draw_order(columns.rows, torch.Generator().manual_seed(seed)).long()


class Window:
    """A window whose rows are on their way into a block.

    It is made in steps. Each step but the first waits for the work that the step before it has enqueued.
    """

    def __init__(self, loan: Loan, steps: Iterator[tuple[torch.cuda.Event | None, Epoch | None]]) -> None:
        """steps: yields (the event that the next step waits for, the rows or None while they are not enqueued yet).

        The steps hold the parts until they are exhausted.
        """
        self.loan, self._steps = loan, steps
        self.rows: Epoch | None = None
        """The window's rows, once all work on them is enqueued."""
        self._enqueued: torch.cuda.Event | None = None
        self.finished = False
        """Whether the device has read the parts."""

    def advance(self, *, wait: bool = False) -> None:
        """Take as many steps as possible. With wait=True, stop as soon as `rows` is set, and wait until then."""
        while not self.finished and not (wait and self.rows is not None):
            if self._enqueued is not None and not self._enqueued.query():  # type: ignore[no-untyped-call]
                if not wait:
                    return
                self._enqueued.synchronize()
            if (step := next(self._steps, None)) is None:
                self.finished = True
            else:
                self._enqueued, self.rows = step


class DeviceMixer:
    """Mixes on a GPU, on one stream beside the consumer's, in memory that is allocated once.

    Parts in host memory are copied on the same stream. A separate stream for the copies would need the memory of a
    second window and gain only a tenth.
    """

    def __init__(
        self,
        layout: Layout,
        config: LoaderConfig,
        device: str,
        kernels: Kernels,
        memory: WindowMemory,
        *,
        uploads: bool,
    ) -> None:
        """layout: gives the names and the order of the columns.
        kernels: compiled from kernels.window_source() for as many columns.
        memory: for the largest window. Whatever does not fit is allocated beside it.
        uploads: whether parts lie in pinned host memory and have to be copied to the device.
        """
        self._layout, self._config, self._kernels, self._uploads = layout, config, kernels, uploads
        self._device = torch.device(device)
        self._stream = new_stream(self._device)
        self._in_progress: deque[Window] = deque()
        """Windows whose parts the device may still be reading, even if nobody else refers to them."""
        reserved = torch.empty(memory.nbytes, dtype=torch.uint8, device=self._device)
        if self._stream is not None:  # torch allocates memory for the current stream, and frees it there
            self._stream.wait_stream(torch.cuda.current_stream(self._device))
            reserved.record_stream(self._stream)
        self._blocks = Blocks(reserved[: memory.nbytes - memory.scratch_bytes].view(BLOCKS, memory.block_bytes))
        self._scratch = reserved[memory.nbytes - memory.scratch_bytes :]

    def begin(self, parts: Sequence[Part], seed: int, *, wait: bool) -> Window | None:
        """Begin to mix a window. Returns None if all blocks are in use and wait is False."""
        self._drop_abandoned()
        with on_stream(self._stream):
            loan = self._blocks.lend(self._stream, needed=wait)
        if loan is None:
            return None
        window = Window(loan, self._steps(parts, seed, loan.tensor))
        self._in_progress.append(window)
        window.advance()
        return window

    def advance(self) -> None:
        """Take the next steps of all windows in progress, as far as possible without waiting."""
        for window in self._in_progress:
            window.advance()
        while self._in_progress and self._in_progress[0].finished:
            self._in_progress.popleft()

    def batches(self, mixed: Window, first: int) -> Iterator[Batch]:
        """Return the window's batches, starting with batch number `first`, ready on the current stream."""
        with phase("wait"):
            mixed.advance(wait=True)
        assert mixed.rows is not None
        count, size = len(mixed.rows.flat[-1]), self._config.batch_size
        if self._device.type == "cuda":
            reader = torch.cuda.current_stream(self._device)
            mixed.loan.readers.append(reader)
            self._scratch.record_stream(reader)  # marks all of the memory: blocks and scratch are one allocation
        return hand_over(mixed.rows, self._device).cut(self._layout, size, first, -(-count // size))

    def _drop_abandoned(self) -> None:
        """Drop all windows if one was begun but never taken: its next steps use scratch memory that a new one needs."""
        if any(window.rows is None for window in self._in_progress):
            self._drop_all()

    def _drop_all(self) -> None:
        if self._stream is not None:
            self._stream.synchronize()
        self._in_progress.clear()

    def close(self) -> None:
        """Wait for the work in progress and free the memory. Safe to call twice."""
        self._drop_all()
        self._blocks, self._scratch = Blocks(self._scratch[:0].view(0, 1)), torch.empty(0, dtype=torch.uint8)

    def _steps(
        self, parts: Sequence[Part], seed: int, block: torch.Tensor
    ) -> Iterator[tuple[torch.cuda.Event | None, Epoch | None]]:
        """Enqueue the work on a window in two steps: the second needs the number of values, which the first counts."""
        config, rows, bags = self._config, sum(part.end - part.begin for part in parts), self._layout.bags
        size, batches = config.batch_size, -(-rows // config.batch_size)
        out, scratch = Cutter(block), Cutter(self._scratch)
        with on_stream(self._stream):
            table = self._table(parts, scratch), np.uint32(len(parts))
        with phase("shuffle", rows), on_stream(self._stream):
            order = scratch.address(rows, 4)
            taken = [scratch.cut(rows + 1, torch.int32) for _ in bags]
            words = order_words(rows, shuffle=config.shuffle, seed=seed, epoch=0)
            shard = np.uint32(0), np.uint32(1), np.uint32(rows)
            self._kernels.launch("window_lengths", rows, (*words, *shard, order, *table, *pointers(*taken)))
            for sums in taken:
                sums[1:].cumsum_(0)
            flat = [out.cut(rows, getattr(torch, column.out.name)) for column in self._layout.flat]
            offsets = [out.cut(rows + batches, torch.int32) for _ in bags]
            starts = [scratch.address(rows, 8) for _ in bags]
            bounds = scratch.cut(len(bags) * (batches + 1), torch.int32)
            bag_arguments = [
                (sums.data_ptr(), batch_offsets.data_ptr(), begin, bounds.data_ptr() + 4 * bag * (batches + 1))
                for bag, (sums, batch_offsets, begin) in enumerate(zip(taken, offsets, starts, strict=True))
            ]
            numbers = np.uint32(rows), np.uint32(size)
            arguments = (order, *numbers, *table, *pointers(*flat), *itertools.chain(*bag_arguments))
            self._kernels.launch("window_rows", rows, arguments)
            host_bounds = to_host(bounds).view(len(bags), batches + 1)
            bounds_ready = record_event(self._stream)
        yield bounds_ready, None
        with on_stream(self._stream):
            values = [out.cut(total, torch.int32) for total in host_bounds[:, -1].tolist()]
            for begin, sums, bag_values in zip(starts, taken, values, strict=True):
                launch_pointed(self._kernels, 0, begin, sums, bag_values)
            ready = record_event(self._stream)
        yield ready, Epoch(flat, offsets, values, host_bounds, bounds_ready, ready)

    def _table(self, parts: Sequence[Part], scratch: Cutter) -> int:
        """Write the table of parts to the device and return its address. kernels.window_source() defines its lines."""
        firsts = itertools.accumulate((part.end - part.begin for part in parts), initial=0)
        if self._uploads:
            with phase("copy", sum(part.nbytes for part in parts)):
                addresses = [_copied(part, scratch) for part in parts]
        else:
            addresses = [_addresses(part) for part in parts]
        lines = [[first, *columns] for first, columns in zip(firsts, addresses, strict=False)]
        table = torch.tensor(lines, dtype=torch.int64, pin_memory=self._device.type == "cuda")
        return scratch.cut(table.numel(), torch.int64).copy_(table.view(-1), non_blocking=True).data_ptr()


def _addresses(part: Part) -> list[int]:
    """Return the addresses of the part's flat columns, all of 4 bytes, and of each bag column's offsets and values."""
    columns = part.columns
    addresses = [column.data_ptr() + 4 * part.begin for column in columns.flat]
    for values, offsets in columns.bags.values():
        assert offsets.element_size() == values.element_size() == 4
        addresses += [offsets.data_ptr() + 4 * part.begin, values.data_ptr()]
    return addresses


def _copied(part: Part, scratch: Cutter) -> list[int]:
    """Enqueue copies of the part's columns to the device. Return their addresses in the order of _addresses()."""
    columns, begin, end = part.columns, part.begin, part.end
    if part.block is not None and end - begin == columns.rows:
        block = _copy(part.block, scratch)
        return [address + block - part.block.data_ptr() for address in _addresses(part)]
    addresses = [_copy(column[begin:end], scratch) for column in columns.flat]
    for values, offsets in columns.bags.values():
        first, last = int(offsets[begin]), int(offsets[end])
        addresses += [_copy(offsets[begin : end + 1], scratch), _copy(values[first:last], scratch) - 4 * first]
    return addresses


def _copy(column: torch.Tensor, scratch: Cutter) -> int:
    """Enqueue a copy of the column to the device and return its address."""
    return scratch.cut(len(column), column.dtype).copy_(column, non_blocking=True).data_ptr()
