"""A series and its changes in words."""

from __future__ import annotations

from feedrate.reports import units
from feedrate.reports.analysis.changes import MIN_POINTS
from feedrate.reports.analysis.history import Change, Series


def sentence(series: Series, change: Change) -> str:
    """▼ -20.1 % at 000012c, 2026-01-13 (run 301 of 500): 9.42 M rows/s to 7.53 M rows/s; torch 2.11 to 2.12."""
    old, new = series.points[change.at - 1].moment, series.points[change.at].moment
    since = f"; {', '.join(change.since)}" if change.since else ""
    return (
        f"{arrow(change)} {size(series, change)} at {new.commit} (before: {old.commit}), {new.date}, run {change.at + 1} of "
        f"{len(series.points)}: {series.metric.text(change.before)} to {series.metric.text(change.after)}{since}"
    )


def arrow(change: Change) -> str:
    return "▲" if change.size > 0 else "▼"


def size(series: Series, change: Change) -> str:
    return units.format_change(change.size) if series.relative else f"{change.size:+.4f}"


def judgement(series: Series, change: Change) -> str:
    """better, worse, or changed where neither direction is."""
    if series.metric.better == "neither":
        return "changed"
    return "better" if (change.size > 0) == (series.metric.better == "higher") else "worse"


def without_change(series: Series) -> str:
    return "steady" if len(series.points) >= MIN_POINTS else f"under {MIN_POINTS} runs: not judged"


def latest(series: Series) -> str:
    return series.metric.text(series.points[-1].value)
