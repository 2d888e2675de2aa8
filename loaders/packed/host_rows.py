"""A shard that stays in host memory: packed rows, gathered a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from feedrate.loaders.base import Batch, LoaderConfig
from feedrate.loaders.packed.host_kernels import gather, unpack_bags
from feedrate.loaders.packed.packing import (
    Inline,
    Layout,
    Ordered,
    Pointed,
    choose_layout,
    field_at,
    pointed_values,
    write_rows,
)
from feedrate.loaders.parquet.columns import Columns, draw_order, order_generator, take_positions

BLOCK_ROWS = 32_768
"""Minimum number of rows gathered at once. Their output fits into the CPU's caches."""

SMALL_ORDER = 32_768
"""Rows up to which an order is drawn at once: that takes 0.1 ms, and a thread could take 3 ms to start."""


class HostRows:
    """Packed rows in host memory. A thread draws the next epoch's order while the current one is delivered."""

    def __init__(self, columns: Columns, config: LoaderConfig) -> None:
        self._packed, self._config = pack(columns), config
        for dtype in (np.int32, np.int64):  # the types that an order may have: compile the loops for both now
            self._packed.take(np.zeros(0, dtype), config.batch_size)
        self._next: tuple[int, Future[torch.Tensor]] | None = None

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yield the epoch's batches, starting with batch number `first`."""
        size = self._config.batch_size
        order = self._order(epoch)
        block = max(size, BLOCK_ROWS // size * size)  # small batches are cut from a larger gather
        for start in range(first * size, len(order), block):
            rows = order[start : start + block]
            yield from self._packed.take(rows, size).cut(self._packed.layout, size, 0, -(-len(rows) // size))

    def close(self) -> None:
        """Forget the next epoch's order. Safe to call twice."""
        self._next = None

    def _order(self, epoch: int) -> np.ndarray:
        """Return the positions of this rank's rows in the epoch's order."""
        config, rows = self._config, len(self._packed.rows)
        if not config.shuffle:
            return np.arange(config.rank, rows, config.world_size)
        drawn = self._next[1] if self._next and self._next[0] == epoch else self._draw(epoch)
        order = drawn.result().numpy()
        self._next = epoch + 1, self._draw(epoch + 1)
        return np.ascontiguousarray(order[config.rank :: config.world_size])

    def _draw(self, epoch: int) -> Future[torch.Tensor]:
        # The thread makes a single call, which runs without the interpreter's lock.
        # Each time it asked for the lock again, it would wait 5 ms.
        # It ends with the call. torch keeps a team of OpenMP threads for each thread that has used one. While there are more
        # of them than cores, those of the model sleep between its operations, and its steps take a tenth longer.
        rows, config = len(self._packed.rows), self._config
        if rows <= SMALL_ORDER:
            done: Future[torch.Tensor] = Future()
            done.set_result(draw_order(rows, order_generator(config.seed, epoch)))
            return done
        thread = ThreadPoolExecutor(1, thread_name_prefix="order")
        drawn = thread.submit(draw_order, rows, order_generator(config.seed, epoch))
        thread.shutdown(wait=False)
        return drawn


@dataclass(frozen=True, slots=True)
class Packed:
    """A split's rows in host memory."""

    layout: Layout
    rows: np.ndarray
    """Structured array of dtype layout.dtype: [rows]."""
    values: dict[str, torch.Tensor]
    """Values of the pointed bags by column name: int32 [N]."""

    def take(self, order: np.ndarray, batch_size: int) -> Ordered:
        """Copy the rows at these positions (int32 or int64 [N]) into new memory, in that order."""
        layout = self.layout
        taken = _gathered(self.rows, order)
        flat = [torch.from_numpy(taken[field_at(column.at)].astype(column.out, copy=True)) for column in layout.flat]
        unpacked = {bag.name: _unpack_inline(taken, bag) for bag in layout.inline}
        unpacked |= {bag.name: _fetch_pointed(taken, bag, self.values[bag.name]) for bag in layout.pointed}
        bags = [unpacked[name] for name in layout.bags]
        sums = [offsets.numpy() for _, offsets in bags]
        bounds = [np.append(offsets[:-1:batch_size], offsets[-1]) for offsets in sums]
        return Ordered(
            flat,
            [torch.from_numpy(_from_zero(offsets, batch_size)) for offsets in sums],
            [values for values, _ in bags],
            [bound.tolist() for bound in bounds],
        )


def pack(columns: Columns) -> Packed:
    """Choose the layout for these columns and write their rows in it."""
    layout = choose_layout(columns)
    rows = torch.from_numpy(np.zeros((columns.rows, layout.row_bytes), np.uint8))  # NumPy asks for huge pages
    write_rows(columns, layout, rows)
    return Packed(layout, rows.numpy().view(layout.dtype)[:, 0], pointed_values(columns, layout))


def _from_zero(offsets: np.ndarray, size: int) -> np.ndarray:
    """Convert offsets [rows + 1] to [rows + batches]: each batch of B rows gets B + 1 offsets that begin at 0."""
    rows, step = len(offsets) - 1, offsets.strides[0]
    if rows <= size:
        return offsets
    full = rows // size
    windows = np.lib.stride_tricks.as_strided(offsets, (full, size + 1), (size * step, step))
    parts = [(windows - windows[:, :1]).ravel()]
    if rows % size:
        parts.append(offsets[full * size :] - offsets[full * size])
    return np.concatenate(parts)


def _unpack_inline(taken: np.ndarray, bag: Inline) -> tuple[torch.Tensor, torch.Tensor]:
    codes = np.ascontiguousarray(taken[field_at(bag.at)]).view(bag.stored)
    lengths = taken[field_at(bag.length_at)].copy()
    count = int(lengths.sum(dtype=np.int64))
    offsets, values = np.empty(len(taken) + 1, np.int32), np.empty(count + codes.shape[1], np.int32)
    unpack_bags(codes, lengths, offsets, values)
    return torch.from_numpy(values[:count]), torch.from_numpy(offsets)


def _fetch_pointed(taken: np.ndarray, bag: Pointed, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    starts, lengths = (torch.from_numpy(taken[field_at(at)].copy()) for at in (bag.at, bag.length_at))
    return take_positions(values, starts, lengths)


def _gathered(rows: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Copy the rows at these positions, moving each row as one item."""
    if rows.dtype.itemsize == 16:
        taken = np.empty(len(order), np.complex128)
        gather(rows.view(np.complex128), order, taken)
    else:  # "clip" skips NumPy's own check, which costs a fifth of the gather. All our positions lie within the rows.
        taken = rows.view(f"V{rows.dtype.itemsize}").take(order, mode="clip")
    return taken.view(rows.dtype)
