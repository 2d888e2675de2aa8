"""Draws what `feedrate simulate` predicts over the number of ranks: rows/s, and where the time goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from feedrate.bench.results.predictions.prediction import Cause, Prediction
from feedrate.reports import units
from feedrate.reports.figures.figure import Figure, line
from feedrate.reports.figures.palette import CAUSES, NEUTRAL, Look, look
from feedrate.reports.figures.spans import Span, log_span
from feedrate.reports.names import plain

CAUSE_TITLES: Mapping[Cause, str] = {
    "model": "Model", "loader": "Loader's work", "storage": "Storage", "network": "Averaging gradients",
}  # fmt: skip
"""Name of each part of a step, for people."""
LOOKS: Mapping[Cause, Look] = {
    "model": Look(NEUTRAL, "solid", "circle"),
    "loader": Look(CAUSES["decode"][0], "dash", "square"),
    "storage": Look(CAUSES["fetch"][0], "dot", "diamond"),
    "network": Look(CAUSES["contention"][0], "dashdot", "triangle-up"),
}


def figures(prediction: Prediction) -> list[Figure]:
    """Return the figures of a prediction."""
    return [_throughput(prediction), _shares(prediction)]


def _throughput(prediction: Prediction) -> Figure:
    ranks = [point.ranks for point in prediction.points]
    predicted = [point.rows_per_s for point in prediction.points]
    ceiling = [number * prediction.model_rows_per_s for number in ranks]
    span = log_span([*predicted, *ceiling])
    return Figure(
        name="predicted-throughput",
        title="Predicted throughput",
        about="Rows/s of all ranks together. The grey line is the model without a loader and without other ranks, times their number.",
        basis=_basis(prediction, "rows/s"),
        data=[
            line(prediction.loader, look(0), ranks, predicted, _texts(ranks, map(units.format_rate, predicted))),
            line(
                "Model alone",
                Look(NEUTRAL, "dash", "x"),
                ranks,
                ceiling,
                _texts(ranks, map(units.format_rate, ceiling)),
            ),
        ],
        layout=_layout(ranks, "rows/s, log scale", span, "count"),
        x_text=units.format_count,
        y_text=units.format_rate,
    )


def _shares(prediction: Prediction) -> Figure:
    ranks = [point.ranks for point in prediction.points]
    traces = []
    for cause, title in CAUSE_TITLES.items():
        shares = [point.critical[cause] for point in prediction.points]
        traces.append(line(title, LOOKS[cause], ranks, shares, _texts(ranks, map(units.format_percent, shares))))
    return Figure(
        name="predicted-time",
        title="Where the time goes",
        about="Shares of the time of the slowest rank in each step, which all others wait for. They sum to 100 %.",
        basis=_basis(prediction, "share of the time"),
        data=traces,
        layout=_layout(ranks, "share of the time", Span(0.0, 1.0, False), "share"),
        x_text=units.format_count,
        y_text=units.format_percent,
    )


def _layout(ranks: Sequence[int], title: str, span: Span, ticks: str) -> dict[str, Any]:
    return {
        "xaxis": {**log_span(ranks).axis, "title": {"text": "ranks, log scale"}},
        "yaxis": {**span.axis, "title": {"text": title}},
        "meta": {"form": "lines", "ticks": {"xaxis": "count", "yaxis": ticks}},
    }


def _texts(ranks: Sequence[int], values: Any) -> list[str]:
    return [f"{value} with {number:,} rank{'s' * (number != 1)}" for number, value in zip(ranks, values, strict=True)]


def _basis(prediction: Prediction, unit: str) -> str:
    return f"Unit: {unit}; simulated, not measured; {plain(prediction.dataset)}."
