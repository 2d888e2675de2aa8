"""Speed against its price: memory, shuffle quality, AUC. A loader is on the frontier where no other is better in both."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from feedrate.reports import units
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.summarize import Basis, Row
from feedrate.reports.figures.figure import COLOURS, LOG, Figure, Text, basis_sentence, error_bars, host_memory, said


def frontiers(rows: Sequence[Row], basis: Basis) -> list[Figure]:
    memory = "peak_gpu_bytes" if _has(rows, "peak_gpu_bytes") else host_memory(rows)
    made = [
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
    return [figure for figure in made if figure.data]


def frontier(rows: Sequence[Row], basis: Basis, price: str, title: str, text: Text, axis: dict[str, Any]) -> Figure:
    """Of training speed, or of loaders alone where nothing was trained."""
    speed = "train_rows_per_s" if _has(rows, "train_rows_per_s") else "load_rows_per_s"
    drawn = [row for row in rows if price in row.metrics and speed in row.metrics]
    metric = BY_NAME[price]
    what = "training" if speed == "train_rows_per_s" else "loader alone"
    return Figure(
        name=f"frontier-{price.replace('_', '-')}",
        title=title,
        about=f"Mean rows/s, {what}. {metric.about} Line: loaders than which none is both faster and better.",
        basis=basis_sentence(rows, basis, f"rows/s over {_unit(price)}", (speed, price)),
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
    """Of (price, speed), those that no other beats in one and equals in the other; by price. lower: a lower price is better."""
    sign = 1 if lower else -1
    kept: list[tuple[float, float]] = []
    for price, speed in sorted(set(points), key=lambda point: (sign * point[0], -point[1])):
        if not kept or speed > kept[-1][1]:
            kept.append((price, speed))
    return sorted(kept)


def _unit(metric: str) -> str:
    unit = BY_NAME[metric].unit
    return f"{BY_NAME[metric].title}, 0 to 1" if unit == "1" else unit


def _marks(rows: Sequence[Row], price: str, speed: str, text: Text, *, from_zero: bool) -> dict[str, Any]:
    labels = [escape(row.label) for row in rows]
    across, up = [row.metrics[price] for row in rows], [row.metrics[speed] for row in rows]
    x = [samples.estimate.mean for samples in across]
    return {
        "type": "scatter", "mode": "markers+text", "name": "Loaders", "x": x, "y": [samples.estimate.mean for samples in up],
        "error_x": error_bars([samples.estimate for samples in across], COLOURS[1]),
        "error_y": error_bars([samples.estimate for samples in up], COLOURS[1]),
        "text": labels, "textposition": _sides(x, 0.0 if from_zero else min(x)), "cliponaxis": False,
        "meta": {
            "labels": labels, "x_values": [list(samples.values) for samples in across], "y_values": [list(samples.values) for samples in up],
        },
        "customdata": [f"{said(a, text)}; {said(b, units.format_rate)}" for a, b in zip(across, up, strict=True)],
        "marker": {"size": 12, "color": COLOURS[1], "symbol": "diamond"},
        "hovertemplate": "%{text}: %{customdata}<extra></extra>", "showlegend": False,
    }  # fmt: skip


def _sides(x: Sequence[float], start: float) -> list[str]:
    """Names stand towards the middle, where there is room for them, and clear of the bars. start: of the axis."""
    middle = (start + max(x)) / 2
    return ["top left" if value >= middle else "top right" for value in x]


def _edge(rows: Sequence[Row], price: str, speed: str) -> dict[str, Any]:
    """The page's script finds it anew where loaders are filtered out."""
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
