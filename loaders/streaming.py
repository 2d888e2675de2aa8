"""A shard larger than the memory it may take: row groups read in random order, mixed within a window, a few windows in flight."""

from __future__ import annotations

import contextlib
import itertools
import queue
import sys
import threading
import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from feedrate.loaders.base import Batch, LoaderConfig
from feedrate.loaders.columns import draw_order, order_generator
from feedrate.loaders.decode import Decoder, Footprint, Group, Part
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.phases import phase
from feedrate.loaders.windows import Mixer

COPIES = 6
"""Windows' worth of host memory at the peak: see decode.Footprint."""
PATIENCE_S = 0.1
"""That the reader waits for its window to be taken before it looks whether anybody will."""
MOST_GROUPS = 32
"""That are decoded at a time."""
SWITCH_S = 1e-4
"""Python's switch interval while row groups are read ahead in several threads. At its usual 5 ms a consumer that is busy in Python
makes each of their calls wait as long for the interpreter's lock, and reading comes to a tenth of its speed."""


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


def reads_within(groups: Sequence[Group], budget_bytes: int, footprint: Footprint) -> tuple[int, int]:
    """Row groups that may be decoded at a time within a device's memory budget, one at least; and the bytes that windows may not
    have because of that, slack included."""
    group_bytes = int(footprint.group * _largest_bytes(groups))
    within = footprint.share * (budget_bytes - footprint.slack_bytes)
    count = max(1, min(MOST_GROUPS, int(within / max(group_bytes, 1))))
    return count, count * group_bytes + footprint.slack_bytes


def window_rows_for(
    groups: Sequence[Group],
    batch_size: int,
    budget_bytes: int,
    asked: int = 0,
    *,
    reading_bytes: int = 0,
    copies: int = COPIES,
) -> int:
    """Rows of a window: as asked for, or as many as the budget holds `copies` of; whole batches.

    reading_bytes: what decoding takes; 0: the largest row group.
    Raises FeedrateError where the budget does not reach for that and a batch.
    """
    rows, nbytes = sum(group.rows for group in groups), sum(group.nbytes for group in groups)
    row_bytes = nbytes / max(rows, 1)
    largest = _largest_bytes(groups)
    reading = reading_bytes or largest
    fits = int((budget_bytes - reading) / copies / max(row_bytes, 1)) // batch_size * batch_size
    if fits < batch_size:
        needed = int(reading + copies * batch_size * row_bytes) + copies
        raise FeedrateError(
            f"the memory budget of {budget_bytes:,} bytes does not reach: windows of {batch_size:,} rows, read by row groups "
            f"of up to {largest:,} bytes, need {needed:,}; a larger --memory-budget, a smaller batch or "
            "`feedrate prepare --row-group-rows` helps"
        )
    return max(batch_size, min(fits, asked) // batch_size * batch_size) if asked else fits


def _largest_bytes(groups: Sequence[Group]) -> int:
    return max((group.nbytes for group in groups), default=0)


class StreamedRows:
    """Epochs of a split that is never held whole. An epoch's first windows are read while the last of the one before are consumed."""

    def __init__(
        self,
        groups: Sequence[Group],
        config: LoaderConfig,
        window_rows: int,
        decoder: Decoder,
        mixer: Mixer[Any],
        reads: Reads,
        most_rows: int | None = None,
    ) -> None:
        """most_rows: of an epoch: those of a last batch that nobody wants are not read."""
        self._groups, self._config, self.window_rows, self._most_rows = groups, config, window_rows, most_rows
        self._decoder, self._mixer, self._reads = decoder, mixer, reads
        self._reader: Reader | None = None
        self._at: tuple[int, int] | None = None
        """(epoch, window) that the reader gives next."""
        self._epoch: object = None
        """The one that the reader works for: windows go to no other."""
        self._abandon: Callable[[], object] = lambda: None

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The epoch's batches from number `first` on; windows before it are not read."""
        epoch = epoch if self._config.shuffle else 0  # then one is as the other
        plan, size = self._plan(epoch), self._config.batch_size
        window, skipped = divmod(first * size, plan.window_rows)
        reader = self._reader_at(epoch, window)
        self._epoch = own = object()
        for number in range(window, plan.windows):
            if self._epoch is not own:
                raise FeedrateError("the loader was closed, or another epoch begun, while this one was under way")
            self._at = None
            mixed = reader.next()
            following = epoch + self._config.shuffle, 0
            self._at = (epoch, number + 1) if number + 1 < plan.windows else following
            yield from self._mixer.batches(mixed, skipped // size)
            skipped = 0
            del mixed  # or it would be held while the next one is waited for

    def close(self) -> None:
        if self._reader is not None:
            self._abandon()
            self._reader.stop()
            self._reader = self._at = self._epoch = None

    def _reader_at(self, epoch: int, window: int) -> Reader:
        """The one there is, unless it is elsewhere: in an epoch that was left, for one."""
        if self._reader is None or self._at != (epoch, window):
            self.close()
            mix = partial(_mix, self._mixer, self._config)
            self._reader = Reader(self._plan, (epoch, window), self._decoder, self._reads, mix)
            # whoever collects the garbage may be one of its threads: it must wait for none
            self._abandon = weakref.finalize(self, self._reader.abandon)
        return self._reader

    @property
    def _plan(self) -> Callable[[int], EpochPlan]:
        return partial(_plan, self._groups, self._config, self.window_rows, self._most_rows)


def _plan(
    groups: Sequence[Group], config: LoaderConfig, window_rows: int, most_rows: int | None, epoch: int
) -> EpochPlan:
    plan = plan_epoch(groups, config, window_rows, epoch)
    return plan if most_rows is None else replace(plan, last=min(plan.last, plan.first + most_rows))


def _mix(mixer: Mixer[Any], config: LoaderConfig, parts: Sequence[Part], epoch: int, window: int) -> Any:
    words = config.seed, epoch, window, config.rank
    return mixer.mix(parts, int(np.random.SeedSequence(words).generate_state(1)[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """How row groups are read ahead."""

    threads: int = 1
    ahead: int = 1
    """Reads under way or waiting to be used."""
    groups: int = 1
    """Row groups a read."""

    @classmethod
    def of(cls, in_flight: int, threads: int) -> Reads:
        """So many row groups at a time: a thread for each, as far as these reach, and then several a read."""
        groups = max(1, in_flight // threads)
        return cls(threads=min(threads, in_flight), ahead=max(1, in_flight // groups), groups=groups)


class Reader:
    """Makes windows in a thread, epoch after epoch, one ahead of the one that is consumed; others decode row groups for it."""

    def __init__(
        self,
        plan: Callable[[int], EpochPlan],
        start: tuple[int, int],
        decoder: Decoder,
        reads: Reads,
        mix: Callable[[Sequence[Part], int, int], Any],
    ) -> None:
        """plan: an epoch's; start: (epoch, window); mix: parts, epoch and window to what is consumed."""
        self._plan, self._decoder, self._reads, self._mix = plan, decoder, reads, mix
        self._ready: queue.Queue[Any] = queue.Queue(1)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=start, name="reader", daemon=True)
        self._thread.start()

    def next(self) -> Any:
        """The next window. Raises what reading raised."""
        with phase("wait"):
            found = self._ready.get()
        if isinstance(found, Exception):
            raise found
        return found

    def abandon(self) -> None:
        """Let the thread end as soon as it can."""
        self._stopped.set()

    def stop(self) -> None:
        """Wait until the thread has ended."""
        self.abandon()
        while self._thread.is_alive():
            try:
                self._ready.get_nowait()
            except queue.Empty:
                self._thread.join(0.01)

    def _run(self, epoch: int, window: int) -> None:
        often_switching.begin()
        pool = ThreadPoolExecutor(self._reads.threads, thread_name_prefix="decode")
        try:
            ahead, plans = itertools.tee(self._plans(epoch, window))
            coming = self._decoded(pool, ahead)
            for plan in plans:
                self._make(plan, coming)
                if self._stopped.is_set():
                    return
        except Exception as error:  # whatever it is, it belongs to the consumer
            self._put(error)
        finally:
            pool.shutdown(cancel_futures=True)
            often_switching.end()

    def _put(self, found: Any) -> None:
        """Where nobody asks for it, for a moment: Python's threads may take turns as usual then."""
        with contextlib.suppress(queue.Full):
            self._ready.put(found, timeout=PATIENCE_S)
            return
        often_switching.end()
        try:
            while not self._stopped.is_set():
                with contextlib.suppress(queue.Full):
                    self._ready.put(found, timeout=PATIENCE_S)
                    return
        finally:
            often_switching.begin()

    def _plans(self, epoch: int, window: int) -> Iterator[Pieces]:
        """Epoch after epoch, as long as they have rows."""
        while (plan := self._plan(epoch)).windows:
            yield Pieces(epoch, {number: plan.pieces(number) for number in range(window, plan.windows)})
            epoch, window = epoch + 1, 0

    def _make(self, plan: Pieces, coming: Iterator[tuple[Group, Part]]) -> None:
        """An epoch's windows. A window's last row group is kept: the next one may begin in it."""
        kept: dict[Group, Part] = {}
        for number, own in plan.windows.items():
            while own[-1].group not in kept:
                group, part = next(coming)
                kept[group] = part
            if self._stopped.is_set():
                return
            parts = [kept[piece.group].cut(piece.begin, piece.end) for piece in own]
            with phase("shuffle", sum(part.end - part.begin for part in parts)):
                mixed = self._mix(parts, plan.epoch, number)
            for piece in own[:-1]:
                del kept[piece.group]
            del parts
            self._put(mixed)
            del mixed  # or it would be held beside the next one

    def _decoded(self, pool: ThreadPoolExecutor, plans: Iterator[Pieces]) -> Iterator[tuple[Group, Part]]:
        """In order, `ahead` reads at a time."""
        waiting: deque[tuple[Sequence[Group], Future[list[Part]]]] = deque()
        for own in (own for plan in plans for own in plan.reads(self._reads.groups)):
            waiting.append((own, pool.submit(self._decoder.read, own)))
            if len(waiting) == self._reads.ahead:
                yield from self._first(waiting)

    @staticmethod
    def _first(waiting: deque[tuple[Sequence[Group], Future[list[Part]]]]) -> Iterator[tuple[Group, Part]]:
        groups, decoded = waiting.popleft()
        with phase("wait"):
            return zip(groups, decoded.result(), strict=True)


@dataclass(frozen=True, slots=True)
class Pieces:
    """What an epoch's windows are read from."""

    epoch: int
    windows: dict[int, list[Piece]]

    def reads(self, size: int) -> Iterator[Sequence[Group]]:
        """Its row groups in order, so many at a time."""
        groups = list(dict.fromkeys(piece.group for own in self.windows.values() for piece in own))
        return (groups[begin : begin + size] for begin in range(0, len(groups), size))


class OftenSwitching:
    """While a thread is within, Python lets its threads take turns more often; in the end, as often as before. There is one, for
    the interval is the process's."""

    def __init__(self) -> None:
        self._lock, self._within, self._usual_s = threading.Lock(), 0, 0.0

    def begin(self) -> None:
        with self._lock:
            if not self._within:
                self._usual_s = sys.getswitchinterval()
                sys.setswitchinterval(min(self._usual_s, SWITCH_S))
            self._within += 1

    def end(self) -> None:
        with self._lock:
            self._within -= 1
            if not self._within:
                sys.setswitchinterval(self._usual_s)


often_switching = OftenSwitching()
