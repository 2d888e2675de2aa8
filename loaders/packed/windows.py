"""A window of rows in memory, mixed: on the CPU a batch at a time, on a GPU whole."""

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
    record,
    to_host,
)
from feedrate.loaders.parquet.columns import Columns, draw_order, join
from feedrate.loaders.parquet.decode import Part
from feedrate.loaders.phases import phase

Mixed = TypeVar("Mixed")
Shuffled = tuple[Columns, torch.Tensor]


class Mixer(Protocol, Generic[Mixed]):
    def begin(self, parts: Sequence[Part], seed: int, *, wait: bool) -> Mixed | None:
        """Begin to put parts, one after the other, into an order fixed by the seed. None where there is no memory for them yet,
        unless they are waited for."""
        ...

    def advance(self) -> None:
        """Go on with what was begun as far as it goes without waiting."""
        ...

    def batches(self, mixed: Mixed, first: int) -> Iterator[Batch]:
        """The window's batches from number `first` on."""
        ...

    def close(self) -> None:
        """Give memory back, once nothing is under way. Nothing is begun afterwards."""
        ...


class HostMixer:
    """In a thread of its own: torch works beside the consumer."""

    def __init__(self, config: LoaderConfig) -> None:
        self._config, self._pool = config, ThreadPoolExecutor(1, thread_name_prefix="mix")

    def begin(self, parts: Sequence[Part], seed: int, *, wait: bool) -> Future[Shuffled]:  # noqa: ARG002
        return self._pool.submit(_shuffled, parts, seed if self._config.shuffle else None)

    def advance(self) -> None:
        """Its thread does not need the consumer."""

    def batches(self, mixed: Future[Shuffled], first: int) -> Iterator[Batch]:
        with phase("wait"):
            columns, order = mixed.result()
        for start in range(first * self._config.batch_size, columns.rows, self._config.batch_size):
            yield columns.take(order[start : start + self._config.batch_size])

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _shuffled(parts: Sequence[Part], seed: int | None) -> Shuffled:
    """(columns, order of their rows); None: as they are."""
    with phase("shuffle", sum(part.end - part.begin for part in parts)):
        columns = join([part.columns.part(part.begin, part.end) for part in parts])
        if seed is None:
            return columns, torch.arange(columns.rows)
        return columns, draw_order(columns.rows, torch.Generator().manual_seed(seed)).long()


class Window:
    """Rows on their way into a block. Each step but the first waits for what the one before has enqueued."""

    def __init__(self, loan: Loan, steps: Iterator[tuple[torch.cuda.Event | None, Epoch | None]]) -> None:
        """steps: (what the next one waits for, the rows once they are enqueued); in the end they let the parts go."""
        self.loan, self._steps = loan, steps
        self.rows: Epoch | None = None
        self._enqueued: torch.cuda.Event | None = None
        self.over = False
        """Whether the parts have been read."""

    def advance(self, *, wait: bool = False) -> None:
        """As many steps as can be taken; wait: until `rows` are there."""
        while not self.over and not (wait and self.rows is not None):
            if self._enqueued is not None and not self._enqueued.query():  # type: ignore[no-untyped-call]
                if not wait:
                    return
                self._enqueued.synchronize()
            if (step := next(self._steps, None)) is None:
                self.over = True
            else:
                self._enqueued, self.rows = step


class DeviceMixer:
    """All of its work is on one stream, beside the consumer's, and in memory that it has from the beginning. Parts that lie on
    the host it copies: on that stream, too, for a stream of their own would need a second window's memory to gain a tenth."""

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
        """layout: for the names of the columns; kernels: kernels.window_source() for as many of them; memory: for the largest
        window, and what does not fit is allocated beside it; uploads: whether parts lie in pinned host memory."""
        self._layout, self._config, self._kernels, self._uploads = layout, config, kernels, uploads
        self._device = torch.device(device)
        self._stream = new_stream(self._device)
        self._under_way: deque[Window] = deque()
        """Until their parts have been read, whoever has forgotten them."""
        whole = torch.empty(memory.nbytes, dtype=torch.uint8, device=self._device)
        if self._stream is not None:  # torch gives memory to the current stream, and takes it back from there
            self._stream.wait_stream(torch.cuda.current_stream(self._device))
            whole.record_stream(self._stream)
        self._blocks = Blocks(whole[: memory.nbytes - memory.scratch_bytes].view(BLOCKS, memory.block_bytes))
        self._scratch = whole[memory.nbytes - memory.scratch_bytes :]

    def begin(self, parts: Sequence[Part], seed: int, *, wait: bool) -> Window | None:
        self._drop_abandoned()
        with on_stream(self._stream):
            loan = self._blocks.lend(self._stream, needed=wait)
        if loan is None:
            return None
        window = Window(loan, self._steps(parts, seed, loan.tensor))
        self._under_way.append(window)
        window.advance()
        return window

    def advance(self) -> None:
        for window in self._under_way:
            window.advance()
        while self._under_way and self._under_way[0].over:
            self._under_way.popleft()

    def batches(self, mixed: Window, first: int) -> Iterator[Batch]:
        with phase("wait"):
            mixed.advance(wait=True)
        assert mixed.rows is not None
        count, size = len(mixed.rows.flat[-1]), self._config.batch_size
        if self._device.type == "cuda":
            reader = torch.cuda.current_stream(self._device)
            mixed.loan.readers.append(reader)
            self._scratch.record_stream(reader)  # all of the memory, for it is one
        return hand_over(mixed.rows, self._device).cut(self._layout, size, first, -(-count // size))

    def _drop_abandoned(self) -> None:
        """Windows that were begun and that nobody has taken: what they go on with is in the memory that the next one begins in."""
        if any(window.rows is None for window in self._under_way):
            self._let_go()

    def _let_go(self) -> None:
        if self._stream is not None:
            self._stream.synchronize()
        self._under_way.clear()

    def close(self) -> None:
        self._let_go()
        self._blocks, self._scratch = Blocks(self._scratch[:0].view(0, 1)), torch.empty(0, dtype=torch.uint8)

    def _steps(
        self, parts: Sequence[Part], seed: int, block: torch.Tensor
    ) -> Iterator[tuple[torch.cuda.Event | None, Epoch | None]]:
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
            own = [
                (sums.data_ptr(), found.data_ptr(), begin, bounds.data_ptr() + 4 * bag * (batches + 1))
                for bag, (sums, found, begin) in enumerate(zip(taken, offsets, starts, strict=True))
            ]
            arguments = (order, np.uint32(rows), np.uint32(size), *table, *pointers(*flat), *itertools.chain(*own))
            self._kernels.launch("window_rows", rows, arguments)
            known = to_host(bounds).view(len(bags), batches + 1)
            counted = record(self._stream)
        yield counted, None
        with on_stream(self._stream):
            values = [out.cut(total, torch.int32) for total in known[:, -1].tolist()]
            for begin, sums, found in zip(starts, taken, values, strict=True):
                launch_pointed(self._kernels, 0, begin, sums, found)
            made = record(self._stream)
        yield made, Epoch(flat, offsets, values, known, counted, made)

    def _table(self, parts: Sequence[Part], scratch: Cutter) -> int:
        """Where it lies, as kernels.window_source() wants it: int64, a line for each part."""
        firsts = itertools.accumulate((part.end - part.begin for part in parts), initial=0)
        if self._uploads:
            with phase("copy", sum(part.nbytes for part in parts)):
                places = [_copied(part, scratch) for part in parts]
        else:
            places = [_places(part) for part in parts]
        lines = [[first, *own] for first, own in zip(firsts, places, strict=False)]
        table = torch.tensor(lines, dtype=torch.int64, pin_memory=self._device.type == "cuda")
        return scratch.cut(table.numel(), torch.int64).copy_(table.view(-1), non_blocking=True).data_ptr()


def _places(part: Part) -> list[int]:
    """Addresses of its rows' columns, all of 4 bytes, and of each bag column's offsets and values."""
    columns = part.columns
    found = [column.data_ptr() + 4 * part.begin for column in columns.flat]
    for values, offsets in columns.bags.values():
        assert offsets.element_size() == values.element_size() == 4
        found += [offsets.data_ptr() + 4 * part.begin, values.data_ptr()]
    return found


def _copied(part: Part, scratch: Cutter) -> list[int]:
    """The same of copies on the device, being made."""
    columns, begin, end = part.columns, part.begin, part.end
    if part.block is not None and end - begin == columns.rows:
        block = _copy(part.block, scratch)
        return [place + block - part.block.data_ptr() for place in _places(part)]
    found = [_copy(column[begin:end], scratch) for column in columns.flat]
    for values, offsets in columns.bags.values():
        first, last = int(offsets[begin]), int(offsets[end])
        found += [_copy(offsets[begin : end + 1], scratch), _copy(values[first:last], scratch) - 4 * first]
    return found


def _copy(column: torch.Tensor, scratch: Cutter) -> int:
    """Where it will be."""
    return scratch.cut(len(column), column.dtype).copy_(column, non_blocking=True).data_ptr()
