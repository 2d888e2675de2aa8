"""What a figure is, what all of them have in common, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any

from feedrate.reports.compare import Comparison
from feedrate.reports.names import plain

# Okabe and Ito's palette: told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D00", "#666666")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MOST_LINES = 40
"""Of the points of a line that its table shows."""


@dataclass(frozen=True, slots=True)
class Figure:
    """As Plotly's plain data: made without the plotly package, drawn by its JavaScript."""

    name: str
    title: str
    about: str
    """What is drawn and how to read it: unit, n, interval, cache state, device."""
    data: list[dict[str, Any]]
    layout: dict[str, Any]

    @property
    def head(self) -> tuple[str, str, str]:
        """Of the table of its numbers."""
        return "Series", _title(self.layout, "yaxis") or "Loader", _title(self.layout, "xaxis")

    @property
    def numbers(self) -> list[tuple[str, str, str]]:
        """What is drawn, for those who would rather read: (series, y, x); a long line is thinned out."""
        return [line for trace in self.data if trace.get("hoverinfo") != "skip" for line in _lines(trace)]


def basis(comparison: Comparison, metrics: Sequence[str]) -> str:
    """A sentence on what the numbers stand on: n of these metrics, page cache, device."""
    counts = {
        len(samples.values) for row in comparison.rows for name, samples in row.metrics.items() if name in metrics
    }
    n = f"n = {min(counts)}{f' to {max(counts)}' if len(counts) > 1 else ''} processes; " if counts else ""
    trials = [trial for _, run in comparison.runs for trial in run.trials]
    caches = " and ".join(sorted({trial.spec.cache for trial in trials}))
    places = {run.environment.gpu or f"{run.environment.cores} CPU cores" for _, run in comparison.runs}
    return f"{n}page cache {caches}; {plain(' and '.join(sorted(places)))}."


def _title(layout: dict[str, Any], axis: str) -> str:
    title: str = layout.get(axis, {}).get("title", {}).get("text", "")
    return title


def _lines(trace: dict[str, Any]) -> list[tuple[str, str, str]]:
    xs, ys = trace["x"], trace["y"]
    texts = trace.get("customdata") or (trace.get("text") if trace["type"] == "bar" else None)
    step = max(1, len(xs) // MOST_LINES)
    found = []
    for place in range(0, len(xs), step):
        named = isinstance(ys[place], str)
        series = unescape(trace["text"][place] if trace.get("meta", {}).get("labels") else trace["name"])
        x = texts[place] if texts and named else _text(xs[place])
        y = unescape(ys[place]) if named else texts[place] if texts and step == 1 else _text(ys[place])
        found.append((series, y, x))
    return found


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
