"""Shares the rows of row groups evenly: among ranks, whose shares differ by one row at most, and among workers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from feedrate.loaders.base import LoaderConfig

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows begin..end (exclusive) of a row group, counted from the group's first row."""

    group: int
    """Number of the row group, as in `sizes` of pieces_between()."""
    begin: int
    end: int

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.end - self.begin


def pieces_of_rank(sizes: Sequence[int], order: Iterable[int], config: LoaderConfig) -> list[Piece]:
    """Return this rank's share of the row groups: neighbours in the order of the epoch, the first and last cut if needed.

    sizes: rows of each row group. order: numbers of all row groups in the order of the epoch, the same on each rank.
    Shares of whole row groups would differ by many rows. These differ by one row at most, as LoaderConfig.rows_of() says.
    """
    return pieces_between(sizes, order, *bounds_of_rank(sum(sizes), config))


def bounds_of_rank(rows: int, config: LoaderConfig) -> tuple[int, int]:
    """Return (begin, end) of this rank's share of the rows in the order of the epoch."""
    before, extra = divmod(rows, config.world_size)
    begin = config.rank * before + min(config.rank, extra)
    return begin, begin + config.rows_of(rows)


def pieces_between(sizes: Sequence[int], order: Iterable[int], begin: int, end: int) -> list[Piece]:
    """Return the pieces that hold rows begin..end (exclusive) of the row groups, counted in the given order."""
    numbers = list(order)
    starts = itertools.accumulate((sizes[number] for number in numbers), initial=0)
    pieces = [
        Piece(number, max(begin - start, 0), min(end - start, sizes[number]))
        for number, start in zip(numbers, starts, strict=False)
    ]
    return [piece for piece in pieces if piece.begin < piece.end]


def windows_of(parts: Iterable[Part], window_rows: int, rows_of: Callable[[Part], int]) -> Iterator[list[Part]]:
    """Yield the parts in lists of at least window_rows rows. The last one may have fewer. rows_of: returns a part's rows."""
    window: list[Part] = []
    rows = 0
    for part in parts:
        window.append(part)
        rows += rows_of(part)
        if rows >= window_rows:
            yield window
            window, rows = [], 0
    if window:
        yield window


def bounds_of_worker(rows: int, batch_size: int, worker: int, workers: int) -> tuple[int, int]:
    """Return (begin, end) of a worker's share of the rows, such that only the last batch of all workers together is short.

    The consumer takes one batch from each worker in turn, as torch's DataLoader does. A worker that has its rows in batches
    of batch_size then delivers the batches worker, worker + workers, and so on.
    """
    batches = -(-rows // batch_size)
    counts = [len(range(number, batches, workers)) for number in range(workers)]
    short = batches * batch_size - rows
    sizes = [
        count * batch_size - (short if batches and number == (batches - 1) % workers else 0)
        for number, count in enumerate(counts)
    ]
    begin = sum(sizes[:worker])
    return begin, begin + sizes[worker]
