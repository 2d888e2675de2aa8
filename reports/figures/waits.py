"""Draws how long the training waits for a loader, and why."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from feedrate.bench.results.stats import percentiles
from feedrate.reports import units
from feedrate.reports.analysis.stall_split import CAUSES
from feedrate.reports.analysis.summarize import Basis, Row
from feedrate.reports.figures.figure import (
    COLOURS,
    LOG,
    SHARE,
    Figure,
    basis_sentence,
    line,
)
from feedrate.reports.figures.points import loader_axis, points, rows_with


def stalls(rows: Sequence[Row], basis: Basis) -> Figure:
    """Draw the time lost to each loader. The bars are its causes, and the two marks are the totals by two methods."""
    split = [(row.label, row.stall) for row in rows if row.stall is not None]
    labels = [escape(label) for label, _ in split]
    data: list[dict[str, Any]] = []
    for colour, (name, title) in zip(COLOURS, CAUSES.items(), strict=False):
        shares = [max(getattr(stall, name), 0.0) for _, stall in split]
        data.append(
            {
                "type": "bar", "orientation": "h", "name": title, "x": shares, "y": labels, "marker": {"color": colour},
                "customdata": [units.format_percent(share) for share in shares],
                "hovertemplate": f"%{{y}}, {title}: %{{customdata}}<extra></extra>",
            }
        )  # fmt: skip
    for name, title, symbol in (
        ("differential", "training against replay", "diamond"),
        ("direct", "waits with an idle device", "circle-open"),
    ):
        totals = [getattr(stall, name) for _, stall in split]
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": title, "x": totals, "y": labels,
                "marker": {"symbol": symbol, "size": 12, "color": COLOURS[7], "line": {"width": 2, "color": COLOURS[7]}},
                "customdata": [units.format_percent(total) for total in totals],
                "hovertemplate": f"%{{y}}, {title}: %{{customdata}}<extra></extra>",
            }
        )  # fmt: skip
    return Figure(
        name="stalls",
        title="Where the time goes",
        about=(
            "Training time lost to the loader, by cause. The diamond is the loss measured between trials: 1 - (training rows/s) / "
            "(replay rows/s). The circle is the loss measured within steps: waits in next() while the device was idle, and device time between "
            "steps. If the two differ, the model's own steps were slower beside the loader."
        ),
        basis=basis_sentence(
            rows, basis, "share of the training time", ("train_rows_per_s",),
            "no interval: the steady epochs of all processes are pooled",
        ),
        data=data if split else [],
        layout={
            "xaxis": {"title": {"text": "share of the training time"}, **SHARE},
            "yaxis": loader_axis(rows, data),
            "barmode": "stack",
            "showlegend": True,
        },
        x_text=units.format_percent,
    )  # fmt: skip


def waiting(rows: Sequence[Row], basis: Basis) -> Figure:
    """Draw the host's wait of the loaders whose stall was not measured."""
    waits = rows_with([row for row in rows if row.stall is None], "wait_fraction")
    data = (
        points(waits, "Waiting", "diamond", COLOURS[1], units.format_percent, text_position="top center")
        if waits
        else []
    )
    return Figure(
        name="waiting",
        title="Waiting for data",
        about=(
            "Share of the training time that the host spent in the loader's next(). Each small mark is one process. On a GPU, the host "
            "may wait while the device still works."
        ),
        basis=basis_sentence(rows, basis, "share of the training time", ("wait_fraction",)),
        data=data,
        layout={
            "xaxis": {"title": {"text": "time in next() / training time"}, **SHARE, "range": [0, 1]},
            "yaxis": loader_axis(rows, data),
            "showlegend": False,
        },
        x_text=units.format_percent,
    )


def wait_times(rows: Sequence[Row], basis: Basis) -> Figure:
    """Draw percentiles of the steps' waits. Only they and the distribution show that a loader delivers in bursts."""
    marks = (("median", 0.5, "circle"), ("p95", 0.95, "diamond"), ("p99", 0.99, "square"), ("max", 1.0, "x"))
    waits = {row.label: waits for row in rows if (waits := step_waits(row))}
    levels = {label: percentiles(waits, [fraction for _, fraction, _ in marks]) for label, waits in waits.items()}
    data = []
    for index, (colour, (name, _, symbol)) in enumerate(zip(COLOURS, marks, strict=False)):
        values = [max(values[index], MIN_WAIT_S) for values in levels.values()]
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": name, "x": values, "y": [escape(label) for label in levels],
                "marker": {"symbol": symbol, "size": 10, "color": colour},
                "customdata": [units.format_seconds(value) for value in values],
                "hovertemplate": f"%{{y}}, {name}: %{{customdata}}<extra></extra>",
            }
        )  # fmt: skip
    return Figure(
        name="wait-times",
        title="Wait of a step",
        about=(
            "Host time in next() per training step: median, 95th and 99th percentile, and maximum. A loader whose maximum is far from "
            "its median delivers in bursts."
        ),
        basis=basis_sentence(
            rows, basis, "s", ("train_rows_per_s",), "no interval: the steps of all processes and epochs are pooled"
        ),
        data=data if levels else [],
        layout={
            "xaxis": {**LOG, "title": {"text": "time in next(), log scale"}, "tickformat": "~s", "ticksuffix": "s"},
            "yaxis": loader_axis(rows, data),
        },
        x_text=units.format_seconds,
    )  # fmt: skip


LEVELS = (*(level / 200 for level in range(1, 200)), 0.999, 1.0)
"""Levels of the percentiles that are drawn, from 0 to 1."""
MIN_WAIT_S = 1e-7
"""Shortest wait that is drawn. Shorter ones are drawn as this, because a log scale has no zero."""


def wait_distribution(rows: Sequence[Row], basis: Basis) -> Figure:
    """Draw the cumulative distribution of the steps' waits, one line per loader."""
    data = []
    for number, row in enumerate(rows):
        waits = step_waits(row)
        if waits:
            values = [max(value, MIN_WAIT_S) for value in percentiles(waits, LEVELS)]
            data.append(
                line(
                    row, number, values, list(LEVELS), [units.format_seconds(value) for value in values], markers=False
                )
            )
    return Figure(
        name="wait-distribution",
        title="Distribution of waits",
        about=(
            "Host time in next() per training step, as a cumulative distribution. A flat stretch on the right means that few steps wait "
            "long: the loader delivers in bursts."
        ),
        basis=basis_sentence(
            rows, basis, "s", ("train_rows_per_s",), "no interval: the steps of all processes and epochs are pooled"
        ),
        data=data,
        layout={
            "xaxis": {**LOG, "title": {"text": "wait, log scale"}, "tickformat": "~s", "ticksuffix": "s"},
            "yaxis": {"title": {"text": "share of steps with at most this wait"}, **SHARE, "range": [0, 1.02]},
            "showlegend": True,
        },
        x_text=units.format_seconds,
        y_text=units.format_percent,
    )  # fmt: skip


def step_waits(row: Row) -> list[float]:
    """Return the waits of all steps of the row's training trials, in seconds, sorted."""
    return sorted(wait for trial in row.trials["train"] for wait in trial.step_wait_s or ())
