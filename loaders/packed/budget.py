"""How much of a device's memory streaming takes, known before anything is read: windows as large as the budget holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from feedrate.loaders.base import LoaderConfig
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.memory.blocks import aligned
from feedrate.loaders.packed.kernels import part_words
from feedrate.loaders.packed.packing import Layout
from feedrate.loaders.parquet.decode import Group, Reads

BLOCKS = 2
"""Windows at a time: one consumed, and one that is made or ready."""
HOST_COPIES = 6
"""On the CPU, windows' worth at the peak: their parts, joined, and as many of the next one."""
MAX_BYTES = 4 * (2**31 - 1)
"""Of a window: kernels number rows and values by int32."""
SLACK_BYTES = 6 << 20
"""Of torch's allocator, for what is small: sums of bags, places of batches."""

DECODE_THREADS = 3
"""That have pylibcudf decode on the device, at most: a read takes some milliseconds whatever is in it, so fewer and larger reads are
faster, until one read's end is waited for."""
MAX_GROUPS = 32
"""A read."""
READING = 0.7
"""Of the budget, at most, for what pylibcudf reads."""


class Contents:
    """Of row groups, those with the most bytes a row first: bounds for windows whose row groups nobody knows yet."""

    def __init__(self, groups: Sequence[Group]) -> None:
        filled = sorted((group for group in groups if group.rows), key=lambda group: -group.nbytes / group.rows)
        self.rows = sum(group.rows for group in filled)
        self.largest = max((group.nbytes for group in filled), default=0)
        """Bytes of a row group."""
        self.reading = max((group.reading for group in filled), default=0)
        """The most that pylibcudf takes for one."""
        self._rows = np.cumsum([0, *(group.rows for group in filled)])
        self._nbytes = np.cumsum([0, *(group.nbytes for group in filled)])
        self._smallest = np.cumsum(sorted(group.rows for group in filled))

    def nbytes(self, rows: int) -> int:
        """The most that so many rows come to, as tensors, with row groups about the same throughout."""
        return int(np.ceil(np.interp(rows, self._rows, self._nbytes)))

    def pieces(self, rows: int) -> int:
        """The most row groups that they are of, those that they begin and end in counted."""
        return int(np.searchsorted(self._smallest, rows)) + 2


@dataclass(frozen=True, slots=True)
class WindowMemory:
    """What windows on a device are made in: see windows.DeviceMixer."""

    block_bytes: int
    """Of a window's columns: BLOCKS such blocks."""
    scratch_bytes: int
    """Once, for what is needed while a window is made."""

    @property
    def nbytes(self) -> int:
        return BLOCKS * self.block_bytes + self.scratch_bytes

    @classmethod
    def of(cls, contents: Contents, layout: Layout, config: LoaderConfig, rows: int, *, uploads: bool) -> WindowMemory:
        """For windows of so many rows. uploads: their parts come from the host."""
        flat, bags = len(layout.flat), len(layout.bags)
        columns, pieces, batches = flat + 2 * bags, contents.pieces(rows), -(-rows // config.batch_size)
        own = contents.nbytes(rows)
        table = aligned(8 * pieces * part_words(flat, bags))
        order = (
            aligned(4 * rows) + bags * (aligned(4 * (rows + 1)) + aligned(8 * rows)) + aligned(4 * bags * (batches + 1))
        )
        parts = own + aligned(1) * columns * pieces if uploads else 0
        return cls(aligned(own + 4 * bags * batches + aligned(1) * columns), table + order + parts)


def largest_window(
    contents: Contents, config: LoaderConfig, budget_bytes: int, asked: int, need: Callable[[int], int]
) -> int:
    """Rows of a window: as asked for (0: all of the shard), or as many as the budget holds; whole batches.

    need: bytes for windows of so many rows, the more the larger. Raises FeedrateError where the budget does not hold a batch.
    """
    batch_size = config.batch_size
    if need(batch_size) > budget_bytes:
        raise FeedrateError(
            f"the memory budget of {budget_bytes:,} bytes does not reach: windows of {batch_size:,} rows, read by row groups "
            f"of up to {contents.largest:,} bytes, need {need(batch_size):,}; a larger --memory-budget, a smaller batch or "
            "`feedrate prepare --row-group-rows` helps"
        )
    low, high = 1, max(1, (asked or config.rows_of(contents.rows) + batch_size - 1) // batch_size)
    while low < high:
        middle = (low + high + 1) // 2
        rows = middle * batch_size
        fits = need(rows) <= budget_bytes and contents.nbytes(rows) <= MAX_BYTES
        low, high = (middle, high) if fits else (low, middle - 1)
    return low * batch_size


def host_need(contents: Contents, rows: int) -> int:
    """On the CPU."""
    return contents.largest + HOST_COPIES * contents.nbytes(rows)


def host_reads(contents: Contents, rows: int) -> Reads:
    """On the CPU, where PyArrow has threads of its own: a window's worth ahead."""
    return Reads(ahead=max(1, contents.nbytes(rows) // max(contents.largest, 1)))


def device_reads(contents: Contents, budget_bytes: int) -> Reads:
    """pylibcudf's: as many row groups at a time as the budget holds, in as few threads as that takes."""

    def within(threads: int) -> Reads:
        reads = Reads(threads=threads, ahead=threads + 1)
        groups = int(READING * budget_bytes / max(pool_bytes(contents, reads, 0), 1))
        return replace(reads, groups=min(groups, MAX_GROUPS))

    found = max(map(within, range(1, DECODE_THREADS + 1)), key=lambda reads: reads.threads * reads.groups)
    return replace(found, groups=max(1, found.groups))


def pool_bytes(contents: Contents, reads: Reads, rows: int) -> int:
    """Of CUDA's memory pool for reads under way, for those waiting to be used, and for the parts of a window of so many rows: on an
    H100 the pool came to 0.8 to 1.0 times that, with 2 to 13 row groups a read."""
    waiting = reads.ahead - reads.threads + 2  # and those that the window begins and ends in, which stay whole
    own = reads.groups * (reads.threads * contents.reading + waiting * contents.largest)
    return own + contents.nbytes(rows)
