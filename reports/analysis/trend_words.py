"""Describes a series and its changes in words."""

from __future__ import annotations

from feedrate.reports import units
from feedrate.reports.analysis.changes import MIN_POINTS
from feedrate.reports.analysis.history import Change, Series


def sentence(series: Series, change: Change) -> str:
    """Describe a change and the versions that differ from the run before, for example:

    ▼ -20.1 % at 000012c (before: 000012b), 2026-01-13, run 301 of 500: 9.42 M rows/s to 7.53 M rows/s; torch 2.1 to 2.2
    """
    old, new = series.points[change.at - 1].moment, series.points[change.at].moment
    since = f"; {', '.join(change.since)}" if change.since else ""
    return (
        f"{arrow(change)} {size(series, change)} at {new.commit} (before: {old.commit}), {new.date}, run {change.at + 1} of "
        f"{len(series.points)}: {series.metric.text(change.before)} to {series.metric.text(change.after)}{since}"
    )


def arrow(change: Change) -> str:
    """Return a triangle that points up for a rise and down for a fall."""
    return "▲" if change.size > 0 else "▼"


def size(series: Series, change: Change) -> str:
    """Format the size of a change: a percentage, or a difference for shares and AUC."""
    return units.format_change(change.size) if series.relative else f"{change.size:+.4f}"


def judgement(series: Series, change: Change) -> str:
    """Return "better" or "worse", or "changed" if neither direction is better."""
    if series.metric.better == "neither":
        return "changed"
    return "better" if (change.size > 0) == (series.metric.better == "higher") else "worse"


def without_change(series: Series) -> str:
    """Describe a series that has no change: it is steady, or too short to judge."""
    return "steady" if len(series.points) >= MIN_POINTS else f"fewer than {MIN_POINTS} runs: not judged"


def latest(series: Series) -> str:
    """Format the value of the newest run."""
    return series.metric.text(series.points[-1].value)
