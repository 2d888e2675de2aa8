"""A shard larger than the memory it may take: row groups read in random order, mixed within a window, a few windows in flight."""

from __future__ import annotations

import queue
import sys
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
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
    ends = tuple(accumulate(group.rows for group in order))
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
    """Epochs of a split that is never held whole."""

    def __init__(
        self,
        groups: Sequence[Group],
        config: LoaderConfig,
        window_rows: int,
        decoder: Decoder,
        mixer: Mixer[Any],
        reads: Reads,
    ) -> None:
        self._groups, self._config, self.window_rows = groups, config, window_rows
        self._decoder, self._mixer, self._reads = decoder, mixer, reads
        self._reader: Reader | None = None

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The epoch's batches from number `first` on; windows before it are not read."""
        self.close()  # the reader of an epoch that was left
        plan, size = plan_epoch(self._groups, self._config, self.window_rows, epoch), self._config.batch_size
        window, skipped = divmod(first * size, plan.window_rows)

        def mix(parts: Sequence[Part], number: int) -> Any:
            words = self._config.seed, epoch, number, self._config.rank
            return self._mixer.mix(parts, int(np.random.SeedSequence(words).generate_state(1)[0]))

        self._reader = reader = Reader(plan, window, self._decoder, self._reads, mix)
        for mixed in reader:
            yield from self._mixer.batches(mixed, skipped // size)
            skipped = 0

    def close(self) -> None:
        if self._reader is not None:
            self._reader.stop()
            self._reader = None


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
    """Makes the windows of a plan in a thread, one ahead of the one that is consumed; others decode row groups for it."""

    def __init__(
        self,
        plan: EpochPlan,
        window: int,
        decoder: Decoder,
        reads: Reads,
        mix: Callable[[Sequence[Part], int], Any],
    ) -> None:
        self._plan, self._decoder, self._reads, self._mix = plan, decoder, reads, mix
        self._ready: queue.Queue[Any] = queue.Queue(1)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(window,), name="reader", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Any]:
        """Raises what reading raised."""
        while True:
            with phase("wait"):
                found = self._ready.get()
            if found is None:
                return
            if isinstance(found, Exception):
                raise found
            yield found
            del found  # or it would be held while the next one is waited for

    def stop(self) -> None:
        """Wait until the thread has ended."""
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._ready.get_nowait()
            except queue.Empty:
                self._thread.join(0.01)

    def _run(self, window: int) -> None:
        pool = ThreadPoolExecutor(self._reads.threads, thread_name_prefix="decode")
        usual_s = sys.getswitchinterval()
        sys.setswitchinterval(min(usual_s, SWITCH_S))
        try:
            for number, parts in self._windows(pool, window):
                if self._stopped.is_set():
                    return
                with phase("shuffle", sum(part.end - part.begin for part in parts)):
                    mixed = self._mix(parts, number)
                self._ready.put(mixed)
                del mixed  # or it would be held beside the next one
        except Exception as error:  # whatever it is, it belongs to the consumer
            self._ready.put(error)
        else:
            self._ready.put(None)
        finally:
            pool.shutdown(cancel_futures=True)
            sys.setswitchinterval(usual_s)

    def _windows(self, pool: ThreadPoolExecutor, first: int) -> Iterator[tuple[int, list[Part]]]:
        """A window's last row group is kept: the next one may begin in it."""
        pieces = {number: self._plan.pieces(number) for number in range(first, self._plan.windows)}
        coming = self._decoded(pool, list(dict.fromkeys(piece.group for own in pieces.values() for piece in own)))
        kept: dict[Group, Part] = {}
        for number, own in pieces.items():
            while own[-1].group not in kept:
                group, part = next(coming)
                kept[group] = part
            yield number, [kept[piece.group].cut(piece.begin, piece.end) for piece in own]
            for piece in own[:-1]:
                del kept[piece.group]

    def _decoded(self, pool: ThreadPoolExecutor, groups: Sequence[Group]) -> Iterator[tuple[Group, Part]]:
        """In order, `ahead` reads at a time."""
        waiting: deque[tuple[Sequence[Group], Future[list[Part]]]] = deque()
        for begin in range(0, len(groups), self._reads.groups):
            own = groups[begin : begin + self._reads.groups]
            waiting.append((own, pool.submit(self._decoder.read, own)))
            if len(waiting) == self._reads.ahead:
                yield from self._first(waiting)
        while waiting:
            yield from self._first(waiting)

    @staticmethod
    def _first(waiting: deque[tuple[Sequence[Group], Future[list[Part]]]]) -> Iterator[tuple[Group, Part]]:
        groups, decoded = waiting.popleft()
        with phase("wait"):
            return zip(groups, decoded.result(), strict=True)
