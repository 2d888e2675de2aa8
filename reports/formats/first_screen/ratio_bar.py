"""A ratio with its interval as a bar from 1, on a logarithmic axis that all rows of a table share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from feedrate.bench.results.stats import Estimate

WIDTH, MARGIN = 140.0, 6.0
"""Width of the drawing and of its margins, in pixels."""
MAX_FACTOR = 1.5
"""An interval may widen the axis by this factor beyond the ratios. What lies further out is cut, with a mark."""
_LEAST = 1.1
"""The axis spans at least this factor to both sides of 1."""


@dataclass(frozen=True, slots=True)
class RatioBar:
    """Places on the axis, in pixels."""

    one: float
    mean: float
    low: float | None
    """None without an interval."""
    high: float | None
    cut_low: bool
    """Whether the interval goes on to the left of the axis."""
    cut_high: bool


def ratio_bars(changes: Sequence[Estimate | None]) -> list[RatioBar | None]:
    """Return a bar for each ratio, and None for each missing one."""
    known = [change for change in changes if change is not None]
    if not known:
        return [None] * len(changes)
    least, most = min(1.0, *(c.mean for c in known)), max(1.0, *(c.mean for c in known))
    lows, highs = [c.low or c.mean for c in known], [c.high or c.mean for c in known]
    first = min(1 / _LEAST, max(min(lows), least / MAX_FACTOR), least)
    last = max(_LEAST, min(max(highs), most * MAX_FACTOR), most)

    def place(value: float) -> float:
        share = log(value / first) / log(last / first)
        return round(MARGIN + share * (WIDTH - 2 * MARGIN), 1)

    def bar(change: Estimate) -> RatioBar:
        low, high = change.low, change.high
        return RatioBar(
            one=place(1.0),
            mean=place(change.mean),
            low=None if low is None else place(max(low, first)),
            high=None if high is None else place(min(high, last)),
            cut_low=low is not None and low < first,
            cut_high=high is not None and high > last,
        )

    return [None if change is None else bar(change) for change in changes]
