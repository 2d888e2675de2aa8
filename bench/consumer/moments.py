"""When something happened beside other work: intervals on the host's clock, or on the device's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from feedrate.bench.timing.clock import now

Interval = tuple[float, float]


class Moments:
    """Notes intervals, and tells how long they last together."""

    def __init__(self) -> None:
        self._intervals: list[Interval] = []
        self._events: list[tuple[Any, Any]] = []

    @staticmethod
    def mark(on_gpu: bool) -> Any:
        """Return this moment: an event on the current stream, or a time of the host's clock without a GPU."""
        if not on_gpu:
            return now()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def add(self, begin: Any, end: Any) -> None:
        """Note an interval between two moments of mark()."""
        if isinstance(begin, float):
            self._intervals.append((begin, end))
        else:
            self._events.append((begin, end))

    @contextmanager
    def noted(self, on_gpu: bool) -> Iterator[None]:
        """Note the interval in which the block's work is done."""
        begin = self.mark(on_gpu)
        yield
        self.add(begin, self.mark(on_gpu))

    def forget(self) -> None:
        """Begin anew."""
        self._intervals, self._events = [], []

    def taken_s(self) -> float:
        """Return the seconds since the last call that lie in any interval. Call it when the device has finished."""
        intervals, self._intervals = self._intervals, []
        events, self._events = self._events, []
        if events:
            first = events[0][0]
            intervals = [(first.elapsed_time(begin) / 1e3, first.elapsed_time(end) / 1e3) for begin, end in events]
        return length_of_union(intervals)


def length_of_union(intervals: list[Interval]) -> float:
    """Return the length of all intervals (begin, end) together. What lies in several of them counts once."""
    length, reached = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        length += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return length
