"""A shard larger than the memory it may take: row groups read in random order, mixed within a window, a few windows in flight."""

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
    """Rows begin..end of a row group."""

    group: Group
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """Which rows come in which window. A window is a whole number of batches, but for the last."""

    groups: tuple[Group, ...]
    """In the epoch's order."""
    ends: tuple[int, ...]
    """Rows up to and with each of them."""
    first: int
    last: int
    """Our rows, counted over `groups`: from first up to, not including, last."""
    window_rows: int

    @property
    def windows(self) -> int:
        return -(-(self.last - self.first) // self.window_rows)

    def pieces(self, window: int) -> list[Piece]:
        """What the window is read from."""
        begin = self.first + window * self.window_rows
        end = min(begin + self.window_rows, self.last)
        found = []
        for place in range(bisect_right(self.ends, begin), len(self.ends)):
            start = self.ends[place] - self.groups[place].rows
            if start >= end:
                break
            if self.groups[place].rows:
                found.append(
                    Piece(self.groups[place], max(begin - start, 0), min(end - start, self.groups[place].rows))
                )
        return found


def plan_epoch(groups: Sequence[Group], config: LoaderConfig, window_rows: int, epoch: int) -> EpochPlan:
    """Ranks take equal shares of the groups' sequence, which is the same for all of them, one after the other.

    window_rows: at most so many, a multiple of the batch size.
    """
    order = list(groups)
    if config.shuffle:
        order = [groups[place] for place in draw_order(len(groups), order_generator(config.seed, epoch)).tolist()]
    total = sum(group.rows for group in groups)
    each, more = divmod(total, config.world_size)
    first = config.rank * each + min(config.rank, more)
    rows = each + (config.rank < more)
    batches = -(-rows // config.batch_size)
    windows = max(1, -(-rows // window_rows))  # all about the same size: a small last one would mix worse
    ends = tuple(itertools.accumulate(group.rows for group in order))
    return EpochPlan(tuple(order), ends, first, first + rows, max(1, -(-batches // windows)) * config.batch_size)


class StreamedRows(Generic[Mixed]):
    """Epochs of a split that is never held whole. An epoch's first windows are read while the last of the one before are consumed."""

    def __init__(
        self,
        groups: Sequence[Group],
        config: LoaderConfig,
        window_rows: int,
        decoder: Decoder,
        mixer: Mixer[Mixed],
        reads: Reads,
        most_rows: int | None = None,
    ) -> None:
        """window_rows: at most, whole batches; most_rows: of an epoch: those of a last batch that nobody wants are not read."""
        self._groups, self._config, self.window_rows, self._most_rows = groups, config, window_rows, most_rows
        self._decoder, self._mixer, self._reads = decoder, mixer, reads
        self._windows: Windows[Mixed] | None = None
        self._at: tuple[int, int] | None = None
        """(epoch, window) that they go on with."""
        self._epoch: object = None
        """The one that they are made for: they go to no other."""

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The epoch's batches from number `first` on; windows before it are not read."""
        epoch = epoch if self._config.shuffle else 0  # then one is as the other
        plan, size = self._plan(epoch), self._config.batch_size
        window, skipped = divmod(first * size, plan.window_rows)
        windows = self._windows_at(epoch, window)
        self._epoch = own = object()
        for number in range(window, plan.windows):
            if self._epoch is not own:
                raise FeedrateError("the loader was closed, or another epoch begun, while this one was under way")
            self._at = None
            mixed = windows.next()
            following = epoch + self._config.shuffle, 0
            self._at = (epoch, number + 1) if number + 1 < plan.windows else following
            for batch in self._mixer.batches(mixed, skipped // size):
                if self._epoch is own:
                    at, self._at = self._at, None  # whatever breaks off here leaves windows that nobody goes on with
                    windows.advance()
                    self._at = at
                yield batch
                del batch  # or its window would be held while the next one is made
            skipped = 0
            del mixed

    def close(self) -> None:
        self._leave()
        self._mixer.close()

    def _leave(self) -> None:
        if self._windows is not None:
            self._windows.close()
            self._windows = self._at = self._epoch = None

    def _windows_at(self, epoch: int, window: int) -> Windows[Mixed]:
        """Those there are, unless they are elsewhere: in an epoch that was left, for one."""
        if self._windows is None or self._at != (epoch, window):
            self._leave()
            self._windows = Windows(self._plan, (epoch, window), self._decoder, self._reads, self._mixer, self._config)
        return self._windows

    @property
    def _plan(self) -> Callable[[int], EpochPlan]:
        return partial(_plan, self._groups, self._config, self.window_rows, self._most_rows)


def _plan(
    groups: Sequence[Group], config: LoaderConfig, window_rows: int, most_rows: int | None, epoch: int
) -> EpochPlan:
    plan = plan_epoch(groups, config, window_rows, epoch)
    return plan if most_rows is None else replace(plan, last=min(plan.last, plan.first + most_rows))


Read = list[tuple[int, Group]]
"""Row groups, each with its epoch."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a window comes."""

    epoch: int
    number: int
    pieces: list[Piece]

    @property
    def groups(self) -> Read:
        """Of its pieces."""
        return [(self.epoch, piece.group) for piece in self.pieces]


class Windows(Generic[Mixed]):
    """Windows of epoch after epoch. Threads decode row groups ahead; mixing is begun by the consumer's own thread, one window ahead:
    a thread of its own would have to wait for the interpreter's lock in each of its calls.
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
        """plan: an epoch's; start: (epoch, window)."""
        self._decoder, self._most, self._mixer, self._config = decoder, reads.ahead, mixer, config
        self._pool = ThreadPoolExecutor(reads.threads, thread_name_prefix="decode")
        places, ahead = itertools.tee(_places(plan, *start))
        self._places, self._to_read = places, _reads(ahead, reads.groups)
        self._place = next(self._places, None)
        """Of the window that is begun next."""
        self._waiting: deque[tuple[Read, Future[list[Part]]]] = deque()
        self._parts: dict[tuple[int, Group], Part] = {}
        """Decoded row groups that the next windows are of, by epoch."""
        self._made: Mixed | None = None
        self._read_ahead()

    def next(self) -> Mixed:
        """The next window. Raises what reading raised."""
        if self._made is None:
            self._begin(wait=True)
        made, self._made = self._made, None
        assert made is not None
        return made

    def advance(self) -> None:
        """Go on with the window after the one that is consumed, without waiting for anything."""
        self._mixer.advance()
        if self._made is None:
            self._begin(wait=False)

    def close(self) -> None:
        """Wait until nothing is read any longer, and forget what was."""
        self._pool.shutdown(cancel_futures=True)
        self._made = self._place = None
        self._parts.clear()
        self._waiting.clear()

    def _begin(self, *, wait: bool) -> None:
        """Mix the next window, if its row groups and memory for it are there."""
        place = self._place
        if place is None or not self._collect((place.epoch, place.pieces[-1].group), wait=wait):
            return
        parts = [
            self._parts[group].cut(piece.begin, piece.end)
            for group, piece in zip(place.groups, place.pieces, strict=True)
        ]
        words = self._config.seed, place.epoch, place.number, self._config.rank
        seed = int(np.random.SeedSequence(words).generate_state(1)[0])
        self._made = self._mixer.begin(parts, seed, wait=wait)
        if self._made is None:
            return
        self._place = next(self._places, None)
        kept = self._place.groups[0] if self._place else None  # it may begin where this one ends
        for group in place.groups:
            if group != kept:
                del self._parts[group]

    def _collect(self, last: tuple[int, Group], *, wait: bool) -> bool:
        """Whether the row groups up to this one have been decoded."""
        while last not in self._parts:
            read, decoded = self._waiting[0]
            if not (wait or (decoded.done() and decoded.exception() is None)):
                return False
            with phase("wait"):
                parts = decoded.result()
            self._waiting.popleft()
            self._parts.update(zip(read, parts, strict=True))
            self._read_ahead()
        return True

    def _read_ahead(self) -> None:
        while len(self._waiting) < self._most and (read := next(self._to_read, None)):
            groups = [group for _, group in read]
            self._waiting.append((read, self._pool.submit(self._decoder.read, groups)))


def _places(plan: Callable[[int], EpochPlan], epoch: int, window: int) -> Iterator[Place]:
    """Epoch after epoch, as long as they have rows."""
    while (own := plan(epoch)).windows:
        yield from (Place(epoch, number, own.pieces(number)) for number in range(window, own.windows))
        epoch, window = epoch + 1, 0


def _reads(places: Iterator[Place], size: int) -> Iterator[Read]:
    """Their row groups in order, each once an epoch, so many at a time but for an epoch's last."""
    every = (group for place in places for group in place.groups)
    for _, own in itertools.groupby(every, lambda group: group[0]):
        groups = (group for group, _ in itertools.groupby(own))  # a window may begin where the one before ended
        while read := list(itertools.islice(groups, size)):
            yield read
