"""Sets of intervals on a line: pure functions. An interval is (start, end); a union is sorted and disjoint."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Interval = tuple[float, float]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        elif end > start:
            found.append((start, end))
    return found


def clipped(intervals: Iterable[Interval], window: Interval) -> list[Interval]:
    """Their parts within the window; those without one are left out."""
    parts = ((max(start, window[0]), min(end, window[1])) for start, end in intervals)
    return [(start, end) for start, end in parts if end > start]


def length(disjoint: Iterable[Interval]) -> float:
    return sum(end - start for start, end in disjoint)


def gaps(disjoint: Sequence[Interval], window: Interval) -> list[Interval]:
    """What of the window a union leaves open."""
    found, at = [], window[0]
    for start, end in disjoint:
        if start > at:
            found.append((at, min(start, window[1])))
        at = max(at, end)
    if at < window[1]:
        found.append((at, window[1]))
    return found


def common(one: Sequence[Interval], other: Sequence[Interval]) -> float:
    """Length of what two unions have in common."""
    total, starts = 0.0, [start for start, _ in other]
    for start, end in one:
        place = max(bisect_right(starts, start) - 1, 0)
        while place < len(other) and other[place][0] < end:
            total += max(min(end, other[place][1]) - max(start, other[place][0]), 0.0)
            place += 1
    return total
