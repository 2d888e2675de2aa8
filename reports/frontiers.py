"""Speed against its price: memory, shuffle quality, AUC. A loader is on the frontier where no other is better in both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from feedrate.reports import units
from feedrate.reports.compare import Comparison, Row
from feedrate.reports.figure import COLOURS, Figure, basis
from feedrate.reports.metrics import BY_NAME


def frontiers(comparison: Comparison) -> list[Figure]:
    memory = "peak_gpu_bytes" if _has(comparison, "peak_gpu_bytes") else "peak_rss_bytes"
    made = [
        frontier(comparison, memory, "Speed against memory", units.size, {"exponentformat": "SI", "ticksuffix": "B"}),
        frontier(comparison, "shuffle_quality", "Speed against shuffle", units.three_decimals, {"rangemode": "tozero"}),
        frontier(comparison, "auc", "Speed against AUC", units.auc, {"tickformat": ".4f"}),
    ]
    return [figure for figure in made if figure.data]


def frontier(
    comparison: Comparison, price: str, title: str, text: Callable[[float | None], str], axis: dict[str, Any]
) -> Figure:
    """Of training speed, or of loaders alone where nothing was trained."""
    speed = "train_rows_per_s" if _has(comparison, "train_rows_per_s") else "load_rows_per_s"
    found = [
        (row, x, y)
        for row in comparison.rows
        if (x := row.mean(price)) is not None and (y := row.mean(speed)) is not None
    ]
    metric = BY_NAME[price]
    data = [_marks(found, text), _edge(found, metric.better == "lower")] if len(found) > 1 else []
    layout = {
        "xaxis": {"title": {"text": f"{metric.title}, {metric.better} is better"}, **axis},
        "yaxis": {"title": {"text": "rows/s, log scale"}, "type": "log", "exponentformat": "SI"},
    }
    what = "training" if speed == "train_rows_per_s" else "loader alone"
    about = (
        f"Mean rows/s, {what}. {metric.about} Line: loaders than which none is both faster and better. "
        f"{basis(comparison, (speed, price))}"
    )
    return Figure(f"frontier-{price.replace('_', '-')}", title, about, data, layout)


def on_frontier(points: Sequence[tuple[float, float]], *, lower: bool) -> list[tuple[float, float]]:
    """Of (price, speed), those that no other beats in one and equals in the other; by price. lower: a lower price is better."""
    sign = 1 if lower else -1
    kept: list[tuple[float, float]] = []
    for price, speed in sorted(set(points), key=lambda point: (sign * point[0], -point[1])):
        if not kept or speed > kept[-1][1]:
            kept.append((price, speed))
    return sorted(kept)


def _marks(found: list[tuple[Row, float, float]], text: Callable[[float | None], str]) -> dict[str, Any]:
    labels = [escape(row.label) for row, _, _ in found]
    return {
        "type": "scatter", "mode": "markers+text", "name": "Loaders", "x": [x for _, x, _ in found], "y": [y for _, _, y in found],
        "text": labels, "textposition": _sides([x for _, x, _ in found]), "cliponaxis": False, "meta": {"labels": labels},
        "customdata": [f"{text(x)}, {units.rate(y)}" for _, x, y in found],
        "marker": {"size": 12, "color": COLOURS[1], "symbol": "diamond"},
        "hovertemplate": "%{text}: %{customdata}<extra></extra>", "showlegend": False,
    }  # fmt: skip


def _sides(x: Sequence[float]) -> list[str]:
    """Names stand towards the middle, where there is room for them."""
    middle = (min(x) + max(x)) / 2
    return ["middle left" if value >= middle else "middle right" for value in x]


def _edge(found: list[tuple[Row, float, float]], lower: bool) -> dict[str, Any]:
    edge = on_frontier([(x, y) for _, x, y in found], lower=lower)
    return {
        "type": "scatter", "mode": "lines", "name": "Frontier", "x": [x for x, _ in edge], "y": [y for _, y in edge],
        "line": {"color": COLOURS[7], "dash": "dot", "shape": "hv" if lower else "vh"}, "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip


def _has(comparison: Comparison, metric: str) -> bool:
    return any(metric in row.metrics for row in comparison.rows)
