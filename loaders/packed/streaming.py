"""Streams a shard that is larger than its memory budget.

Row groups are read in random order, and their rows are mixed within a window. A few windows are in progress at a time.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic

import numpy as np

from feedrate.loaders.base import Batch, LoaderConfig
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.packed.windows import Mixed, Mixer
from feedrate.loaders.parquet.columns import draw_order, order_generator
from feedrate.loaders.parquet.decode import Decoder, Group, Part, Reads
from feedrate.loaders.phases import phase


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows begin..end (exclusive) of a row group."""

    group: Group
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """Which rows belong to which window. Every window but the last is a whole number of batches."""

    groups: tuple[Group, ...]
    """All row groups in the epoch's order."""
    ends: tuple[int, ...]
    """For each group, the number of rows up to its end."""
    first: int
    """First row of this rank's shard, counted over `groups`."""
    last: int
    """End of this rank's shard (exclusive), counted over `groups`."""
    window_rows: int
    """Rows of a window."""

    @property
    def windows(self) -> int:
        """Number of windows."""
        return -(-(self.last - self.first) // self.window_rows)

    def pieces(self, window: int) -> list[Piece]:
        """Return the pieces of row groups that make up a window, in order."""
        begin = self.first + window * self.window_rows
        end = min(begin + self.window_rows, self.last)
        pieces = []
        for place in range(bisect_right(self.ends, begin), len(self.ends)):
            group = self.groups[place]
            start = self.ends[place] - group.rows
            if start >= end:
                break
            if group.rows:
                pieces.append(Piece(group, max(begin - start, 0), min(end - start, group.rows)))
        return pieces


def plan_epoch(groups: Sequence[Group], config: LoaderConfig, window_rows: int, epoch: int) -> EpochPlan:
    """Plan the windows of one rank's epoch.

    All ranks draw the same order of row groups, and each takes an equal, contiguous share of it.
    window_rows: maximum rows of a window, a multiple of the batch size.
    """
    order = list(groups)
    if config.shuffle:
        order = [groups[place] for place in draw_order(len(groups), order_generator(config.seed, epoch)).tolist()]
    total = sum(group.rows for group in groups)
    each, extra = divmod(total, config.world_size)
    first = config.rank * each + min(config.rank, extra)
    rows = each + (config.rank < extra)
    batches = -(-rows // config.batch_size)
    windows = max(1, -(-rows // window_rows))  # of about equal size, because a small last window would mix worse
    ends = tuple(itertools.accumulate(group.rows for group in order))
    return EpochPlan(tuple(order), ends, first, first + rows, max(1, -(-batches // windows)) * config.batch_size)


class StreamedRows(Generic[Mixed]):
    """Epochs of a split that is never held in memory as a whole.

    The first windows of an epoch are read while the last windows of the previous one are consumed.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        config: LoaderConfig,
        window_rows: int,
        decoder: Decoder,
        mixer: Mixer[Mixed],
        reads: Reads,
        max_rows: int | None = None,
    ) -> None:
        """window_rows: maximum rows of a window, a multiple of the batch size.
        max_rows: maximum rows of an epoch. The rows of a last batch that is not wanted are not read.
        """
        self._groups, self._config, self.window_rows, self._max_rows = groups, config, window_rows, max_rows
        self.decoder, self._mixer, self._reads = decoder, mixer, reads
        self._windows: Windows[Mixed] | None = None
        self._position: tuple[int, int] | None = None
        """(epoch, window) of the next window. None: the windows cannot be continued."""
        self._iteration: object = None
        """Identifies the iteration that owns the windows. They are delivered to no other one."""

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yield the epoch's batches, starting with batch number `first`. Windows before it are not read.

        Raises FeedrateError if close() is called or another epoch is started meanwhile.
        """
        epoch = epoch if self._config.shuffle else 0  # without shuffling, all epochs are alike
        plan, size = self._plan(epoch), self._config.batch_size
        window, skipped = divmod(first * size, plan.window_rows)
        windows = self._windows_at(epoch, window)
        self._iteration = iteration = object()
        for number in range(window, plan.windows):
            if self._iteration is not iteration:
                raise FeedrateError("this epoch was interrupted: the loader was closed or another epoch was started")
            self._position = None
            mixed = windows.next()
            next_epoch = epoch + self._config.shuffle, 0
            self._position = (epoch, number + 1) if number + 1 < plan.windows else next_epoch
            for batch in self._mixer.batches(mixed, skipped // size):
                if self._iteration is iteration:
                    position, self._position = (
                        self._position,
                        None,
                    )  # if advance() raises, nobody continues these windows
                    windows.advance()
                    self._position = position
                yield batch
                del batch  # it would keep its window in memory while the next one is made
            skipped = 0
            del mixed

    def close(self) -> None:
        """Stop reading and free the memory. Safe to call twice."""
        self._leave()
        self._mixer.close()

    def _leave(self) -> None:
        if self._windows is not None:
            self._windows.close()
            self._windows = self._position = self._iteration = None

    def _windows_at(self, epoch: int, window: int) -> Windows[Mixed]:
        """Return the current windows if they continue here. Otherwise close them and start new ones."""
        if self._windows is None or self._position != (epoch, window):
            self._leave()
            self._windows = Windows(self._plan, (epoch, window), self.decoder, self._reads, self._mixer, self._config)
        return self._windows

    @property
    def _plan(self) -> Callable[[int], EpochPlan]:
        return partial(_plan, self._groups, self._config, self.window_rows, self._max_rows)


def _plan(
    groups: Sequence[Group], config: LoaderConfig, window_rows: int, max_rows: int | None, epoch: int
) -> EpochPlan:
    plan = plan_epoch(groups, config, window_rows, epoch)
    return plan if max_rows is None else replace(plan, last=min(plan.last, plan.first + max_rows))


EpochGroups = list[tuple[int, Group]]
"""Row groups, each with the epoch that it is read for."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a window: its epoch, its number in that epoch, and its rows."""

    epoch: int
    number: int
    pieces: list[Piece]

    @property
    def groups(self) -> EpochGroups:
        """Row groups of the window's pieces."""
        return [(self.epoch, piece.group) for piece in self.pieces]


class Windows(Generic[Mixed]):
    """The windows of epoch after epoch.

    Threads decode row groups ahead. The consumer's own thread begins to mix one window ahead: a separate thread would
    have to wait for the interpreter's lock in each of its calls.
    """

    def __init__(
        self,
        plan: Callable[[int], EpochPlan],
        start: tuple[int, int],
        decoder: Decoder,
        reads: Reads,
        mixer: Mixer[Mixed],
        config: LoaderConfig,
    ) -> None:
        """plan: maps an epoch to its plan. start: (epoch, window) of the first window."""
        self._decoder, self._max_waiting, self._mixer, self._config = decoder, reads.ahead, mixer, config
        self._pool = ThreadPoolExecutor(reads.threads, thread_name_prefix="decode")
        places, ahead = itertools.tee(_places(plan, *start))
        self._places, self._to_read = places, _reads(ahead, reads.groups)
        self._place = next(self._places, None)
        """Place of the next window to mix."""
        self._waiting: deque[tuple[EpochGroups, Future[list[Part]]]] = deque()
        """Reads in progress or complete, in the order of their use."""
        self._parts: dict[tuple[int, Group], Part] = {}
        """Decoded row groups that the next windows need."""
        self._begun: Mixed | None = None
        """The window that is being mixed, until next() returns it."""
        self._read_ahead()

    def next(self) -> Mixed:
        """Return the next window. Raises any error of the reading threads."""
        if self._begun is None:
            self._begin(wait=True)
        window, self._begun = self._begun, None
        assert window is not None
        return window

    def advance(self) -> None:
        """Continue with the window after the current one, without waiting for anything."""
        self._mixer.advance()
        if self._begun is None:
            self._begin(wait=False)

    def close(self) -> None:
        """Wait for the reads in progress, and free everything that was read."""
        self._pool.shutdown(cancel_futures=True)
        self._begun = self._place = None
        self._parts.clear()
        self._waiting.clear()

    def _begin(self, *, wait: bool) -> None:
        """Begin to mix the next window, if its row groups are decoded and there is memory for it."""
        place = self._place
        if place is None or not self._collect((place.epoch, place.pieces[-1].group), wait=wait):
            return
        parts = [
            self._parts[group].cut(piece.begin, piece.end)
            for group, piece in zip(place.groups, place.pieces, strict=True)
        ]
        words = self._config.seed, place.epoch, place.number, self._config.rank
        seed = int(np.random.SeedSequence(words).generate_state(1)[0])
        self._begun = self._mixer.begin(parts, seed, wait=wait)
        if self._begun is None:
            return
        self._place = next(self._places, None)
        shared = (
            self._place.groups[0] if self._place else None
        )  # the next window may begin in this one's last row group
        for group in place.groups:
            if group != shared:
                del self._parts[group]

    def _collect(self, last: tuple[int, Group], *, wait: bool) -> bool:
        """Collect decoded row groups up to this one. Return whether all of them are there."""
        while last not in self._parts:
            groups, decoded = self._waiting[0]
            if not (wait or (decoded.done() and decoded.exception() is None)):
                return False
            with phase("wait"):
                parts = decoded.result()
            self._waiting.popleft()
            self._parts.update(zip(groups, parts, strict=True))
            self._read_ahead()
        return True

    def _read_ahead(self) -> None:
        while len(self._waiting) < self._max_waiting and (read := next(self._to_read, None)):
            groups = [group for _, group in read]
            self._waiting.append((read, self._pool.submit(self._decoder.read, groups)))


def _places(plan: Callable[[int], EpochPlan], epoch: int, window: int) -> Iterator[Place]:
    """Yield the windows of epoch after epoch, without end. Stops if an epoch has no rows."""
    while (epoch_plan := plan(epoch)).windows:
        yield from (Place(epoch, number, epoch_plan.pieces(number)) for number in range(window, epoch_plan.windows))
        epoch, window = epoch + 1, 0


def _reads(places: Iterator[Place], size: int) -> Iterator[EpochGroups]:
    """Yield the row groups of the windows in order, each once per epoch, in reads of at most `size`."""
    all_groups = (group for place in places for group in place.groups)
    for _, epoch_groups in itertools.groupby(all_groups, lambda group: group[0]):
        groups = (group for group, _ in itertools.groupby(epoch_groups))  # neighbouring windows may share a row group
        while read := list(itertools.islice(groups, size)):
            yield read
