"""Draws means with intervals, one mark per loader, and the axis of loaders."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from feedrate.reports.analysis.summarize import Row, Samples
from feedrate.reports.figures.figure import Formatter, error_bars, mean_text


def rows_with(rows: Sequence[Row], metric: str) -> list[tuple[str, Samples]]:
    """Return label and samples of each row in which the metric was measured."""
    return [(row.label, row.metrics[metric]) for row in rows if metric in row.metrics]


def points(
    rows: Sequence[tuple[str, Samples]],
    name: str,
    symbol: str,
    colour: str,
    text: Formatter,
    *,
    text_position: str | None = None,
) -> list[dict[str, Any]]:
    """Return two traces: the means with their intervals, and every sample as a small mark.

    text_position: where each mean is written, relative to its mark. None writes no means.
    """
    estimates = [samples.estimate for _, samples in rows]
    mean_trace = {
        "type": "scatter", "mode": "markers+text" if text_position else "markers", "name": name,
        "x": [estimate.mean for estimate in estimates], "y": [escape(label) for label, _ in rows],
        "marker": {"symbol": symbol, "size": 14, "color": colour, "line": {"width": 2, "color": colour}},
        "error_x": error_bars(estimates, colour), "meta": {"x_values": [list(samples.values) for _, samples in rows]},
        "customdata": [mean_text(samples, text) for _, samples in rows],
        "hovertemplate": f"%{{y}}, {name}: %{{customdata}}<extra></extra>",
        **({"text": [text(estimate.mean) for estimate in estimates], "textposition": text_position, "cliponaxis": False} if text_position else {}),
    }  # fmt: skip
    raw = [(escape(label), value) for label, samples in rows for value in samples.values]
    raw_trace = {
        "type": "scatter", "mode": "markers", "showlegend": False, "x": [value for _, value in raw], "y": [label for label, _ in raw],
        "marker": {"symbol": "circle-open", "size": 6, "color": colour, "opacity": 0.7}, "hoverinfo": "skip",
    }  # fmt: skip
    return [mean_trace, raw_trace]


def loader_axis(rows: Sequence[Row], data: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the layout of the axis of loaders: those that are drawn, the fastest on top."""
    drawn = {label for trace in data for label in trace["y"]}
    return {
        "autorange": "reversed",
        "automargin": True,
        "categoryarray": [label for row in rows if (label := escape(row.label)) in drawn],
        "type": "category",
    }
