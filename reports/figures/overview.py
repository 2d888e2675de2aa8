"""Builds the report's figures as Plotly's plain data, without the plotly package. Plotly's JavaScript draws them.

Every figure states its unit, n, and the meaning of its error bars. Raw samples are drawn beside their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from feedrate.reports import units
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.summarize import Basis, Comparison, Row
from feedrate.reports.analysis.verdicts import share_state
from feedrate.reports.figures.distributions import auc, auc_over_time, sweeps, utilisation
from feedrate.reports.figures.figure import (
    COLOURS,
    LOG,
    SHARE,
    Figure,
    basis_sentence,
    host_memory_metric,
)
from feedrate.reports.figures.frontiers import frontiers
from feedrate.reports.figures.points import loader_axis, points, rows_with
from feedrate.reports.figures.waits import stalls, wait_distribution, wait_times, waiting


def figures(comparison: Comparison) -> list[Figure]:
    """Return the report's figures. Those for which nothing was measured are left out."""
    rows, basis = comparison.rows, comparison.basis
    candidates = (
        throughput(rows, basis),
        ceiling(rows, basis),
        stalls(rows, basis),
        waiting(rows, basis),
        wait_times(rows, basis),
        wait_distribution(rows, basis),
        *sweeps(rows, basis),
        auc(rows, basis),
        auc_over_time(rows, basis),
        *frontiers(rows, basis),
        memory(rows, basis),
        utilisation(rows, basis),
    )
    return [figure for figure in candidates if figure.data]


def throughput(rows: Sequence[Row], basis: Basis) -> Figure:
    """Draw rows/s of each loader only, in training, and of the model only."""
    data: list[dict[str, Any]] = []
    for metric, symbol, colour in (
        ("load_rows_per_s", "circle", COLOURS[0]),
        ("train_rows_per_s", "diamond", COLOURS[1]),
    ):
        if measured := rows_with(rows, metric):
            data += points(measured, BY_NAME[metric].title, symbol, colour, units.format_rate)
    ceilings = [(row.label, row.ceiling) for row in rows if row.ceiling]
    if data and ceilings:
        data += points(ceilings, "Model only (ceiling)", "line-ns-open", COLOURS[7], units.format_rate)
    return Figure(
        name="throughput",
        title="Throughput",
        about=(
            "Rows delivered per second of wall time. Each large mark is the mean over fresh processes, and each small mark is one "
            "process."
        ),
        basis=basis_sentence(rows, basis, "rows/s", ("load_rows_per_s", "train_rows_per_s")),
        data=data,
        layout={
            "xaxis": {**LOG, "title": {"text": "rows/s, log scale"}, "exponentformat": "SI"},
            "yaxis": loader_axis(rows, data),
        },
        x_text=units.format_rate,
    )


def ceiling(rows: Sequence[Row], basis: Basis) -> Figure:
    """Draw each loader's training rows/s as a share of those of replay."""
    unknown = ("none", "share not known", "ceiling not known")
    shares = [
        (row.label, row.share) for row in rows if row.share and share_state(row.share, row.ceiling) not in unknown
    ]
    data = (
        points(shares, "Share", "diamond", COLOURS[1], units.format_percent, text_position="top center")
        if shares
        else []
    )
    known = any(share.estimate.low is not None for _, share in shares)
    interval = (
        "95 % confidence interval of the ratio (Student t)"
        if known
        else "no interval: only one trial of training or replay"
    )
    line = {"dash": "dash", "color": COLOURS[7]}
    return Figure(
        name="ceiling",
        title="Share of the ceiling",
        about=(
            "Training rows/s divided by replay rows/s, a ratio of geometric means. Replay runs the model without a loader, so 100 % (dashed line) is the most that a "
            "loader can deliver. A value above 100 % is noise. Each small mark is one round, or one training trial if fewer than two "
            "rounds have both training and replay. A share that is not known is left out."
        ),
        basis=basis_sentence(rows, basis, "share of replay's rows/s", ("train_rows_per_s",), interval),
        data=data,
        layout={
            "xaxis": {"title": {"text": "training / model only"}, **SHARE, "rangemode": "tozero"},
            "yaxis": loader_axis(rows, data),
            "showlegend": False,
            "shapes": [{"type": "line", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1, "line": line}],
        },
        x_text=units.format_percent,
    )  # fmt: skip


def memory(rows: Sequence[Row], basis: Basis) -> Figure:
    """Draw the peak memory of host and device in training, or of the loader only if nothing was trained."""
    host = host_memory_metric(rows)
    data: list[dict[str, Any]] = []
    for metric, name, symbol, colour, side in (
        (host, "Host, process tree", "circle", COLOURS[2], "top center"),
        ("peak_gpu_bytes", "Device", "square", COLOURS[3], "bottom center"),
    ):
        if measured := rows_with(rows, metric):
            data += points(measured, name, symbol, colour, units.format_size, text_position=side)
    return Figure(
        name="memory",
        title="Memory",
        about=(
            "Peak memory in training, including the model and all libraries, or without a model if nothing was trained. It shows what a loader's speed costs in memory. Each "
            "small mark is one process."
        ),
        basis=basis_sentence(rows, basis, "bytes", (host, "peak_gpu_bytes")),
        data=data,
        layout={
            "xaxis": {"title": {"text": "bytes"}, "exponentformat": "SI", "ticksuffix": "B", "rangemode": "tozero"},
            "yaxis": loader_axis(rows, data),
            "showlegend": True,
        },
        x_text=units.format_size,
    )
