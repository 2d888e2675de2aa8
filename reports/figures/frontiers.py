"""Draws speed against its price: memory, shuffle quality and AUC.

A loader is on the frontier if no other is better in one value without being worse in the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from feedrate.bench.results.stats import Estimate
from feedrate.reports import units
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.summarize import Basis, Row
from feedrate.reports.figures.figure import Figure, Formatter, basis_sentence, host_memory_metric, mean_text
from feedrate.reports.figures.palette import NEUTRAL, Look
from feedrate.reports.figures.points import numbers_of, rows_with
from feedrate.reports.figures.spans import MARK_ROOM, Span, arrows, cut_bars, ends, linear_span, log_span

LENGTHS = {"auc": 0.002, "shuffle_quality": 0.1}
"""Shortest axis of prices that are shares of 1. Smaller differences are noise and look like it."""


def frontiers(rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look]) -> list[Figure]:
    """Return a frontier for each price that at least two loaders have."""
    memory = "peak_gpu_bytes" if _has(rows, "peak_gpu_bytes") else host_memory_metric(rows)
    candidates = [
        frontier(rows, basis, styles, memory, "Speed against memory", units.format_size, "bytes"),
        frontier(
            rows, basis, styles, "shuffle_quality", "Speed against shuffle", units.format_three_decimals, "number"
        ),
        frontier(rows, basis, styles, "auc", "Speed against AUC", units.format_auc, "number"),
    ]
    return [figure for figure in candidates if figure.data]


def frontier(
    rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look], price: str, title: str, text: Formatter, ticks: str
) -> Figure:
    """Draw speed against a price. Speed is that of training, or of the loader only if nothing was trained.

    price: name of a metric. ticks: kind of its numbers.
    """
    speed = "train_rows_per_s" if _has(rows, "train_rows_per_s") else "load_rows_per_s"
    drawn = [row for row in rows if price in row.metrics and speed in row.metrics]
    metric = BY_NAME[price]
    speed_text = "in training" if speed == "train_rows_per_s" else "loader only"
    prices = numbers_of(rows_with(drawn, price))
    x = _span(price, *prices)
    y = log_span(*numbers_of(rows_with(drawn, speed)))
    return Figure(
        name=f"frontier-{price.replace('_', '-')}",
        title=title,
        about=(
            f"Mean rows/s {speed_text}. {metric.about} The dotted line joins the loaders that no other beats in one value "
            "without losing in the other."
        ),
        basis=basis_sentence(rows, basis, f"rows/s (y) and {_unit(price)} (x)", (speed, price)),
        data=_marks(styles, drawn, (price, speed), (x, y), text) if len(drawn) > 1 else [],
        layout={
            "xaxis": {"title": {"text": f"{metric.title}, {metric.better} is better"}, **x.axis},
            "yaxis": {"title": {"text": "rows/s, log scale"}, **y.axis},
            "meta": {"form": "marks", "ticks": {"xaxis": ticks, "yaxis": "count"}},
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


def _span(price: str, values: Sequence[float], estimates: Sequence[Estimate]) -> Span:
    """Return the axis of a price. Shares of 1 that are close to each other are drawn close up, but differences that are noise look like it."""
    if price not in LENGTHS:
        return linear_span(values, estimates).for_marks
    span = linear_span(values, estimates, from_zero=False, least=LENGTHS[price])
    room = MARK_ROOM * (span.high - span.low)
    return replace(span, low=max(span.low, -room), high=min(span.high, 1 + 2 * room))


def _unit(metric: str) -> str:
    unit = BY_NAME[metric].unit
    return f"{BY_NAME[metric].title} from 0 to 1" if unit == "1" else unit


def _marks(
    styles: Mapping[str, Look],
    drawn: Sequence[Row],
    metrics: tuple[str, str],
    spans: tuple[Span, Span],
    text: Formatter,
) -> list[dict[str, Any]]:
    """Return a trace for each loader, arrows for its intervals that an axis cuts, and last the frontier.

    metrics: price and speed. spans: their axes.
    """
    traces: list[dict[str, Any]] = []
    for row in drawn:
        look, label = styles[row.label], escape(row.label)
        price, speed = (row.metrics[metric] for metric in metrics)
        trace: dict[str, Any] = {
            "type": "scatter", "mode": "markers", "name": label, "x": [price.estimate.mean], "y": [speed.estimate.mean], "cliponaxis": False,
            "error_x": cut_bars([price.estimate], spans[0], look.colour), "error_y": cut_bars([speed.estimate], spans[1], look.colour),
            "meta": {
                "loader": label, "x_values": [list(price.values)], "y_values": [list(speed.values)],
                "x_ends": ends([price.estimate]), "y_ends": ends([speed.estimate]),
            },
            "customdata": [f"{mean_text(price, text)}; {mean_text(speed, units.format_rate)}"],
            "marker": {"size": 12, "color": look.colour, "symbol": look.symbol},
            "hovertemplate": f"{label}: %{{customdata}}<extra></extra>",
        }  # fmt: skip
        cut = arrows([price.estimate], trace["y"], [look.colour], spans[0], "x")
        cut += arrows([speed.estimate], trace["x"], [look.colour], spans[1], "y")
        traces += [trace, *({**arrow, "meta": {"loader": label, "pale": True}} for arrow in cut)]
    return [*traces, _edge(drawn, *metrics)]


def _edge(rows: Sequence[Row], price: str, speed: str) -> dict[str, Any]:
    """Return the trace of the frontier. The page's script computes it again when the reader filters loaders."""
    lower = BY_NAME[price].better == "lower"
    means = [(row.metrics[price].estimate.mean, row.metrics[speed].estimate.mean) for row in rows]
    edge = on_frontier(means, lower=lower)
    return {
        "type": "scatter", "mode": "lines", "name": "Frontier", "x": [x for x, _ in edge], "y": [y for _, y in edge],
        "line": {"color": NEUTRAL, "dash": "dot", "shape": "hv" if lower else "vh"}, "hoverinfo": "skip",
        "meta": {"frontier": "lower" if lower else "higher"},
    }  # fmt: skip


def _has(rows: Sequence[Row], metric: str) -> bool:
    return any(metric in row.metrics for row in rows)
