"""Chooses the range of an axis, and cuts intervals that would leave it. A cut interval gets an arrow and its ends in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log10
from typing import Any

from feedrate.bench.results.stats import Estimate

LOG_ROOM = 1.15
"""Factor between the outermost value and the end of a log axis."""
LOG_SHARE = 0.03
"""The least of the same as a share of the axis' length, so that no mark at an end is cut on an axis of several decades."""
LINEAR_ROOM = 0.05
"""The same for a linear axis."""
MARK_ROOM = 0.02
"""The same at 0, for marks."""
MOST_LOG, MOST_LINEAR = 3.0, 0.5
"""How far intervals may stretch an axis beyond means and samples: a factor, and a share of its length."""


@dataclass(frozen=True, slots=True)
class Span:
    """Range of an axis."""

    low: float
    high: float
    log: bool

    @property
    def axis(self) -> dict[str, Any]:
        """Plotly's layout of the axis."""
        if self.log:
            return {"type": "log", "range": [log10(self.low), log10(self.high)]}
        return {"range": [self.low, self.high]}

    @property
    def for_marks(self) -> Span:
        """The axis with room for a whole mark at 0, if it begins there."""
        return replace(self, low=-MARK_ROOM * self.high) if self.low == 0 else self

    def inside(self, *, low: bool) -> float:
        """Return a value just inside of one end, where an arrow covers no number of the axis."""
        share = 0.015 if low else 0.985
        if self.log:
            return self.low * float((self.high / self.low) ** share)
        return self.low + share * (self.high - self.low)

    def cuts(self, estimate: Estimate) -> bool:
        """Return whether the axis is too short for the interval."""
        return estimate.low is not None and estimate.high is not None and (
            estimate.low < self.low or estimate.high > self.high
        )  # fmt: skip


def log_span(values: Sequence[float], estimates: Sequence[Estimate] = ()) -> Span:
    """Return a log axis that holds the values, and the intervals unless they are far longer.

    values: means and samples. Those that are not positive cannot be drawn and are ignored.
    """
    drawn = [value for value in values if value > 0]
    low, high = (min(drawn), max(drawn)) if drawn else (1.0, 10.0)
    lowest, highest = low / MOST_LOG, high * MOST_LOG
    for estimate in estimates:
        if estimate.low is not None and estimate.high is not None:
            low = min(low, max(estimate.low, lowest))
            high = max(high, min(estimate.high, highest))
    room = max(LOG_ROOM, (high / low) ** LOG_SHARE)
    return Span(low / room, high * room, True)


def linear_span(
    values: Sequence[float], estimates: Sequence[Estimate] = (), *, from_zero: bool = True, least: float = 0.0
) -> Span:
    """Return a linear axis that holds the values, and the intervals unless they are far longer.

    from_zero: the quantity cannot be negative, and the axis begins at 0. least: shortest length of the axis.
    """
    low, high = (0.0 if from_zero else min(values, default=0.0)), max(values, default=1.0)
    missing = max(least - (high - low), 0.0)
    low, high = (low if from_zero else low - missing / 2), high + (missing if from_zero else missing / 2)
    length = high - low or abs(high) or 1.0
    lowest, highest = low if from_zero else low - MOST_LINEAR * length, high + MOST_LINEAR * length
    for estimate in estimates:
        if estimate.low is not None and estimate.high is not None:
            low = min(low, max(estimate.low, lowest))
            high = max(high, min(estimate.high, highest))
    room = LINEAR_ROOM * (high - low or 1.0)
    return Span(low if from_zero else low - room, high + room, False)


def cut_bars(estimates: Sequence[Estimate], span: Span, colour: str | Sequence[str]) -> dict[str, Any]:
    """Return Plotly's error bars from low to high, cut at the ends of the axis. No interval gives no bar."""
    return {
        "type": "data", "symmetric": False, "thickness": 2, "width": 4, **({"color": colour} if isinstance(colour, str) else {}),
        "array": [None if e.high is None else max(min(e.high, span.high) - e.mean, 0.0) for e in estimates],
        "arrayminus": [None if e.low is None else max(e.mean - max(e.low, span.low), 0.0) for e in estimates],
    }  # fmt: skip


def ends(estimates: Sequence[Estimate]) -> list[tuple[float, float] | None]:
    """Return the ends of each interval as measured, for `meta`. A table shows these and not the cut ones."""
    return [None if e.low is None or e.high is None else (e.low, e.high) for e in estimates]


def arrows(
    estimates: Sequence[Estimate], at: Sequence[Any], colours: Sequence[str], span: Span, axis: str
) -> list[dict[str, Any]]:
    """Return the trace of arrows at the ends of the axis, one for each end of an interval that was cut there.

    at: each estimate's position on the other axis. axis: axis of the span, x or y.
    """
    marks = [
        (position, span.inside(low=low), low, colour)
        for estimate, position, colour in zip(estimates, at, colours, strict=True)
        for low in (True, False)
        if estimate.low is not None and estimate.high is not None
        and (estimate.low < span.low if low else estimate.high > span.high)
    ]  # fmt: skip
    if not marks:
        return []
    names = ("triangle-left", "triangle-right") if axis == "x" else ("triangle-down", "triangle-up")
    other = "y" if axis == "x" else "x"
    return [
        {
            "type": "scatter", "mode": "markers", "showlegend": False, "hoverinfo": "skip", "cliponaxis": False,
            axis: [value for _, value, _, _ in marks], other: [position for position, *_ in marks],
            "marker": {"symbol": [names[not low] for _, _, low, _ in marks], "size": 11, "color": [colour for *_, colour in marks]},
        }
    ]  # fmt: skip
