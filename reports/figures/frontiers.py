"""Draws speed against its price: memory, shuffle quality and AUC.

A loader is on the frontier if no other is better in one value without being worse in the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from feedrate.reports import units
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.summarize import Basis, Row
from feedrate.reports.figures.figure import (
    COLOURS,
    LOG,
    Figure,
    Formatter,
    basis_sentence,
    error_bars,
    host_memory_metric,
    mean_text,
)


def frontiers(rows: Sequence[Row], basis: Basis) -> list[Figure]:
    """Return a frontier for each price that at least two loaders have."""
    memory = "peak_gpu_bytes" if _has(rows, "peak_gpu_bytes") else host_memory_metric(rows)
    candidates = [
        frontier(
            rows, basis, memory, "Speed against memory", units.format_size, {"exponentformat": "SI", "ticksuffix": "B"}
        ),
        frontier(
            rows,
            basis,
            "shuffle_quality",
            "Speed against shuffle",
            units.format_three_decimals,
            {"rangemode": "tozero"},
        ),
        frontier(rows, basis, "auc", "Speed against AUC", units.format_auc, {"tickformat": ".4f"}),
    ]
    return [figure for figure in candidates if figure.data]


def frontier(
    rows: Sequence[Row], basis: Basis, price: str, title: str, text: Formatter, axis: dict[str, Any]
) -> Figure:
    """Draw speed against a price. Speed is that of training, or of the loader only if nothing was trained.

    price: name of a metric. axis: additional layout of the x axis.
    """
    speed = "train_rows_per_s" if _has(rows, "train_rows_per_s") else "load_rows_per_s"
    drawn = [row for row in rows if price in row.metrics and speed in row.metrics]
    metric = BY_NAME[price]
    speed_text = "in training" if speed == "train_rows_per_s" else "loader only"
    return Figure(
        name=f"frontier-{price.replace('_', '-')}",
        title=title,
        about=(
            f"Mean rows/s {speed_text}. {metric.about} The dotted line joins the loaders that no other beats in one value "
            "without losing in the other."
        ),
        basis=basis_sentence(rows, basis, f"rows/s (y) and {_unit(price)} (x)", (speed, price)),
        data=[_marks(drawn, price, speed, text, from_zero="rangemode" in axis), _edge(drawn, price, speed)]
        if len(drawn) > 1
        else [],
        layout={
            "xaxis": {"title": {"text": f"{metric.title}, {metric.better} is better"}, **axis},
            "yaxis": {**LOG, "title": {"text": "rows/s, log scale"}, "exponentformat": "SI"},
        },
        x_text=text,
        y_text=units.format_rate,
    )


def on_frontier(points: Sequence[tuple[float, float]], *, lower: bool) -> list[tuple[float, float]]:
    """Return the (price, speed) points on the frontier, by ascending price.

    A point is on it if no other is better in one value and at least equal in the other. lower: a lower price is better.
    """
    sign = 1 if lower else -1
    frontier_points: list[tuple[float, float]] = []
    for price, speed in sorted(set(points), key=lambda point: (sign * point[0], -point[1])):
        if not frontier_points or speed > frontier_points[-1][1]:
            frontier_points.append((price, speed))
    return sorted(frontier_points)


def _unit(metric: str) -> str:
    unit = BY_NAME[metric].unit
    return f"{BY_NAME[metric].title} from 0 to 1" if unit == "1" else unit


def _marks(rows: Sequence[Row], price: str, speed: str, text: Formatter, *, from_zero: bool) -> dict[str, Any]:
    labels = [escape(row.label) for row in rows]
    prices, speeds = [row.metrics[price] for row in rows], [row.metrics[speed] for row in rows]
    x = [samples.estimate.mean for samples in prices]
    return {
        "type": "scatter", "mode": "markers+text", "name": "Loaders", "x": x, "y": [samples.estimate.mean for samples in speeds],
        "error_x": error_bars([samples.estimate for samples in prices], COLOURS[1]),
        "error_y": error_bars([samples.estimate for samples in speeds], COLOURS[1]),
        "text": labels, "textposition": _sides(x, 0.0 if from_zero else min(x)), "cliponaxis": False,
        "meta": {
            "labels": labels, "x_values": [list(samples.values) for samples in prices],
            "y_values": [list(samples.values) for samples in speeds],
        },
        "customdata": [f"{mean_text(a, text)}; {mean_text(b, units.format_rate)}" for a, b in zip(prices, speeds, strict=True)],
        "marker": {"size": 12, "color": COLOURS[1], "symbol": "diamond"},
        "hovertemplate": "%{text}: %{customdata}<extra></extra>", "showlegend": False,
    }  # fmt: skip


def _sides(x: Sequence[float], start: float) -> list[str]:
    """Return where each name is written: on the side of the middle, which has room, and clear of the error bars.

    start: lowest value of the axis.
    """
    middle = (start + max(x)) / 2
    return ["top left" if value >= middle else "top right" for value in x]


def _edge(rows: Sequence[Row], price: str, speed: str) -> dict[str, Any]:
    """Return the trace of the frontier. The page's script computes it again when the reader filters loaders."""
    lower = BY_NAME[price].better == "lower"
    means = [(row.metrics[price].estimate.mean, row.metrics[speed].estimate.mean) for row in rows]
    edge = on_frontier(means, lower=lower)
    return {
        "type": "scatter", "mode": "lines", "name": "Frontier", "x": [x for x, _ in edge], "y": [y for _, y in edge],
        "line": {"color": COLOURS[7], "dash": "dot", "shape": "hv" if lower else "vh"}, "hoverinfo": "skip", "showlegend": False,
        "meta": {"frontier": "lower" if lower else "higher"},
    }  # fmt: skip


def _has(rows: Sequence[Row], metric: str) -> bool:
    return any(metric in row.metrics for row in rows)
