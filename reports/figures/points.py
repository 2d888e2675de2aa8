"""Draws a mean with its interval and samples in a row of its own, one for each loader, and the axis of loaders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from feedrate.bench.results.stats import Estimate
from feedrate.reports import units
from feedrate.reports.analysis.summarize import Row, Samples
from feedrate.reports.figures.figure import Formatter, mean_text
from feedrate.reports.figures.palette import Look
from feedrate.reports.figures.spans import Span, arrows, cut_bars, ends


def rows_with(rows: Sequence[Row], metric: str) -> list[tuple[str, Samples]]:
    """Return label and samples of each row in which the metric was measured."""
    return [(row.label, row.metrics[metric]) for row in rows if metric in row.metrics]


def numbers_of(rows: Sequence[tuple[str, Samples]]) -> tuple[list[float], list[Estimate]]:
    """Return all means and samples, and all estimates. An axis needs both."""
    estimates = [samples.estimate for _, samples in rows]
    return [e.mean for e in estimates] + [value for _, samples in rows for value in samples.values], estimates


def points(
    rows: Sequence[tuple[str, Samples]], name: str, looks: Mapping[str, Look], span: Span, text: Formatter
) -> list[dict[str, Any]]:
    """Return the traces of each loader: its mean with the interval, every sample as a small tick, and arrows if the interval is cut."""
    traces = []
    for label, samples in rows:
        look, row = looks[label], escape(label)
        mean = {
            "type": "scatter", "mode": "markers", "name": name, "x": [samples.estimate.mean], "y": [row],
            "marker": {"symbol": look.symbol, "size": 12, "color": look.colour},
            "error_x": cut_bars([samples.estimate], span, look.colour),
            "meta": {"loader": row, "x_values": [list(samples.values)], "x_ends": ends([samples.estimate])},
            "customdata": [mean_text(samples, text)], "hovertemplate": f"%{{y}}, {name}: %{{customdata}}<extra></extra>",
        }  # fmt: skip
        ticks = {
            "type": "scatter", "mode": "markers", "x": list(samples.values), "y": [row] * len(samples.values), "hoverinfo": "skip",
            "marker": {"symbol": "line-ns-open", "size": 14, "color": look.colour, "opacity": 0.6, "line": {"width": 1}}, "meta": {"loader": row},
        }  # fmt: skip
        traces += [ticks, mean]
        traces += [
            {**cut, "meta": {"loader": row}} for cut in arrows([samples.estimate], [row], [look.colour], span, "x")
        ]
    return traces


def row_texts(rows: Sequence[tuple[str, Samples]], span: Span, text: Formatter) -> dict[str, str]:
    """Return the text at the end of each row: the mean, and the ends of an interval that the axis cuts."""
    texts = {}
    for label, samples in rows:
        estimate = samples.estimate
        bounded = estimate.low is not None and estimate.high is not None and span.cuts(estimate)
        cut = f"<br>{units.format_ends(estimate.low or 0.0, estimate.high or 0.0, text)}" if bounded else ""
        texts[escape(label)] = f"{text(estimate.mean)}{cut}"
    return texts


def loader_axis(rows: Sequence[Row], data: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the layout of the axis of loaders: those that are drawn, the fastest on top."""
    drawn = {label for trace in data for label in trace["y"]}
    return {
        "autorange": "reversed",
        "categoryarray": [label for row in rows if (label := escape(row.label)) in drawn],
        "type": "category",
    }
