"""Pure functions on sets of intervals. An interval is (start, end). A union is sorted and disjoint."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Interval = tuple[float, float]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Merge intervals that overlap or touch, and drop empty ones."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        elif end > start:
            merged.append((start, end))
    return merged


def clipped(intervals: Iterable[Interval], window: Interval) -> list[Interval]:
    """Return the parts of the intervals that lie within the window. Intervals outside it are dropped."""
    parts = ((max(start, window[0]), min(end, window[1])) for start, end in intervals)
    return [(start, end) for start, end in parts if end > start]


def length(disjoint: Iterable[Interval]) -> float:
    """Return the total length of a union."""
    return sum(end - start for start, end in disjoint)


def gaps(disjoint: Sequence[Interval], window: Interval) -> list[Interval]:
    """Return the parts of the window that a union does not cover."""
    uncovered, at = [], window[0]
    for start, end in disjoint:
        if start > at:
            uncovered.append((at, min(start, window[1])))
        at = max(at, end)
    if at < window[1]:
        uncovered.append((at, window[1]))
    return uncovered


def overlap_length(left: Sequence[Interval], right: Sequence[Interval]) -> float:
    """Return the total length that two unions have in common."""
    total, starts = 0.0, [start for start, _ in right]
    for start, end in left:
        index = max(bisect_right(starts, start) - 1, 0)
        while index < len(right) and right[index][0] < end:
            total += max(min(end, right[index][1]) - max(start, right[index][0]), 0.0)
            index += 1
    return total
