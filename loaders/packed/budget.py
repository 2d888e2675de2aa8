"""Plans the memory for streaming: what a window and its reads take, and the largest window that a budget holds.

Every figure follows from the Parquet metadata, before any row is read.
"""

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
"""Windows in device memory at a time: the consumer reads one while the other is made or waits."""
HOST_COPIES = 6
"""Peak host memory on the CPU, in windows: parts and joined columns of one window, and as much for the next one."""
MAX_BYTES = 4 * (2**31 - 1)
"""Largest window in bytes: the kernels number rows and values, 4 bytes each, by int32."""
SLACK_BYTES = 6 << 20
"""Bytes reserved for torch's allocator, which serves small tensors such as sums over bags and batch bounds."""

DECODE_THREADS = 3
"""Maximum number of threads that decode with pylibcudf.

Every read costs some milliseconds whatever it contains, so fewer and larger reads are faster. With too few threads, the
consumer waits for the end of a read.
"""
MAX_GROUPS = 32
"""Maximum number of row groups in one read."""
READ_BUDGET_FRACTION = 0.7
"""Maximum share of the memory budget that pylibcudf's reads may take."""


class Contents:
    """Upper bounds on what a window contains, whichever row groups it is made of.

    The bounds assume the row groups with the most bytes per row.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        filled = sorted((group for group in groups if group.rows), key=lambda group: -group.nbytes / group.rows)
        self.rows = sum(group.rows for group in filled)
        """Rows of all row groups."""
        self.largest = max((group.nbytes for group in filled), default=0)
        """Size of the largest row group as tensors, in bytes."""
        self.largest_read = max((group.read_bytes for group in filled), default=0)
        """Most device memory that pylibcudf needs to read one row group, in bytes."""
        self._rows = np.cumsum([0, *(group.rows for group in filled)])
        self._nbytes = np.cumsum([0, *(group.nbytes for group in filled)])
        self._smallest = np.cumsum(sorted(group.rows for group in filled))

    def nbytes(self, rows: int) -> int:
        """Return the maximum size in bytes of this many rows as tensors.

        Assumes that the rows within a row group are of similar size.
        """
        return int(np.ceil(np.interp(rows, self._rows, self._nbytes)))

    def pieces(self, rows: int) -> int:
        """Return the maximum number of row groups that this many rows span, including the ones cut at either end."""
        return int(np.searchsorted(self._smallest, rows)) + 2


@dataclass(frozen=True, slots=True)
class WindowMemory:
    """Device memory that windows are made in. See windows.DeviceMixer."""

    block_bytes: int
    """Bytes of one window's columns. There are BLOCKS such blocks."""
    scratch_bytes: int
    """Bytes needed only while a window is made. All windows share them."""

    @property
    def nbytes(self) -> int:
        """Bytes in total."""
        return BLOCKS * self.block_bytes + self.scratch_bytes

    @classmethod
    def of(cls, contents: Contents, layout: Layout, config: LoaderConfig, rows: int, *, uploads: bool) -> WindowMemory:
        """Return the memory needed for windows of this many rows.

        uploads: whether row groups are decoded on the host and copied to the device.
        """
        flat, bags = len(layout.flat), len(layout.bags)
        columns, pieces, batches = flat + 2 * bags, contents.pieces(rows), -(-rows // config.batch_size)
        window_bytes = contents.nbytes(rows)
        table = aligned(8 * pieces * part_words(flat, bags))
        order = (
            aligned(4 * rows) + bags * (aligned(4 * (rows + 1)) + aligned(8 * rows)) + aligned(4 * bags * (batches + 1))
        )
        parts = window_bytes + aligned(1) * columns * pieces if uploads else 0
        return cls(aligned(window_bytes + 4 * bags * batches + aligned(1) * columns), table + order + parts)


def largest_window(
    contents: Contents, config: LoaderConfig, budget_bytes: int, window_rows: int, need: Callable[[int], int]
) -> int:
    """Return the rows of the largest window that the budget holds, a multiple of the batch size.

    window_rows: upper limit in rows, rounded down to whole batches (but at least one). 0: the whole shard.
    need: maps the rows of a window to the bytes that it takes. It must not decrease.
    Raises FeedrateError if the budget does not hold a window of one batch.
    """
    batch_size = config.batch_size
    if need(batch_size) > budget_bytes:
        raise FeedrateError(
            f"the memory budget of {budget_bytes:,} bytes is too small: windows of {batch_size:,} rows and row groups "
            f"of up to {contents.largest:,} bytes need {need(batch_size):,}. Use a larger --memory-budget, a smaller "
            "batch size, or smaller row groups (`feedrate prepare --row-group-rows`)"
        )
    low, high = 1, max(1, (window_rows or config.rows_of(contents.rows) + batch_size - 1) // batch_size)
    while low < high:
        middle = (low + high + 1) // 2
        rows = middle * batch_size
        fits = need(rows) <= budget_bytes and contents.nbytes(rows) <= MAX_BYTES
        low, high = (middle, high) if fits else (low, middle - 1)
    return low * batch_size


def host_need(contents: Contents, rows: int) -> int:
    """Return the host memory in bytes that streaming on the CPU takes for windows of this many rows."""
    return contents.largest + HOST_COPIES * contents.nbytes(rows)


def host_reads(contents: Contents, rows: int) -> Reads:
    """Return the read-ahead for the CPU: one window's row groups, in one thread.

    PyArrow has threads of its own.
    """
    return Reads(ahead=max(1, contents.nbytes(rows) // max(contents.largest, 1)))


def device_reads(contents: Contents, budget_bytes: int) -> Reads:
    """Return the read-ahead for pylibcudf: as many row groups at a time as the budget holds, in the fewest threads."""

    def reads_with(threads: int) -> Reads:
        reads = Reads(threads=threads, ahead=threads + 1)
        groups = int(READ_BUDGET_FRACTION * budget_bytes / max(pool_bytes(contents, reads, 0), 1))
        return replace(reads, groups=min(groups, MAX_GROUPS))

    # max() returns the first of equals, which has the fewest threads
    best = max(map(reads_with, range(1, DECODE_THREADS + 1)), key=lambda reads: reads.threads * reads.groups)
    return replace(best, groups=max(1, best.groups))


def pool_bytes(contents: Contents, reads: Reads, rows: int) -> int:
    """Return the bytes of CUDA's memory pool that pylibcudf takes with windows of this many rows.

    It covers reads in progress, reads waiting to be used, and the parts of one window. On an H100 the pool grew to
    0.8 to 1.0 times this figure, with 2 to 13 row groups per read.
    """
    waiting = (
        reads.ahead - reads.threads + 2
    )  # the 2 are the reads that a window begins and ends in: they stay complete
    read_bytes = reads.groups * (reads.threads * contents.largest_read + waiting * contents.largest)
    return read_bytes + contents.nbytes(rows)
