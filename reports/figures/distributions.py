"""Draws what a single mean hides: speed over settings, AUC over epochs and time, and the device over time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from feedrate.bench.results.stats import Estimate
from feedrate.reports import units
from feedrate.reports.analysis.summarize import Basis, Row
from feedrate.reports.figures.figure import COLOURS, LOG, SHARE, Figure, basis_sentence, error_bars, line, mean_text

Place = Callable[[Sequence[Row], Basis, Row], tuple[str, int] | None]
"""Returns a row's place in a sweep: the label of its line, and its position on the x axis. None leaves the row out."""

MINIMUM_TO_MAXIMUM = "minimum to maximum"
"""Meaning of the error bars of an AUC: its range over the trials."""


def auc(rows: Sequence[Row], basis: Basis) -> Figure:
    """Draw the AUC after each epoch, one line per loader."""
    data = []
    for number, row in enumerate(row for row in rows if row.auc_by_epoch):
        epochs = list(range(1, len(row.auc_by_epoch) + 1))
        text = [
            f"epoch {epoch}: {units.format_auc(mean)}" for epoch, mean in zip(epochs, row.auc_by_epoch, strict=True)
        ]
        data.append(_with_range(line(row, number, epochs, row.auc_by_epoch, text), row))
    best = basis.best_auc
    about = "Mean AUC of the processes after each epoch. Loaders that deliver the same rows must reach the same AUC."
    if best is not None:
        about += (
            " The labels were drawn from known probabilities. A model that predicted exactly these would reach "
            f"{units.format_auc(best)}, which no model can beat."
        )
    return Figure(
        name="auc",
        title="AUC by epoch",
        about=about,
        basis=basis_sentence(rows, basis, "AUC from 0 to 1", ("auc",), MINIMUM_TO_MAXIMUM),
        data=data,
        layout={
            "xaxis": {"title": {"text": "epoch"}, "dtick": 1},
            "yaxis": {"title": {"text": "AUC, whole validation split"}, "tickformat": ".3f"},
            "showlegend": True,
        },
        y_text=units.format_auc,
        interval=MINIMUM_TO_MAXIMUM,
    )


def auc_over_time(rows: Sequence[Row], basis: Basis) -> Figure:
    """Draw the AUC over the training time, one line per loader and one point per epoch."""
    data = []
    for number, row in enumerate(rows):
        trials = [trial for trial in row.trials["train"] if trial.auc and trial.epochs]
        if trials and row.auc_by_epoch:
            walls = [[epoch.wall_s for epoch in trial.epochs or ()] for trial in trials]
            mean_s = [
                sum(sum(wall_s[: end + 1]) for wall_s in walls) / len(walls) for end in range(len(row.auc_by_epoch))
            ]
            trace = line(row, number, mean_s, row.auc_by_epoch, [units.format_auc(mean) for mean in row.auc_by_epoch])
            data.append(_with_range(trace, row))
    return Figure(
        name="auc-over-time",
        title="AUC over time",
        about="A faster loader reaches the same AUC sooner. Each point is the end of an epoch, averaged over the processes.",
        basis=basis_sentence(rows, basis, "AUC from 0 to 1 (y) and s (x)", ("auc",), f"{MINIMUM_TO_MAXIMUM} AUC"),
        data=data,
        layout={
            "xaxis": {"title": {"text": "training time, s, without evaluations"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": "AUC, whole validation split"}, "tickformat": ".3f"},
            "showlegend": True,
        },
        x_text=units.format_seconds,
        y_text=units.format_auc,
        interval=MINIMUM_TO_MAXIMUM,
    )


def sweeps(rows: Sequence[Row], basis: Basis) -> list[Figure]:
    """Draw throughput over batch sizes and over workers. An axis with a single value is left out."""
    candidates = [
        _sweep(rows, basis, "batch-sizes", "batch size, rows, log scale", _by_batch_size),
        _sweep(rows, basis, "workers", "worker processes", _by_workers),
    ]
    return [figure for figure in candidates if figure.data]


def utilisation(rows: Sequence[Row], basis: Basis) -> Figure:
    """Draw how busy the GPU was over time, one line per training trial. Only each loader's first trial is visible."""
    data = []
    for number, row in enumerate(rows):
        records = [trial.gpu for trial in row.trials["train"] if trial.gpu and trial.gpu.at_s]
        for index, gpu in enumerate(records):
            trace = line(
                row, number, gpu.at_s, gpu.busy, [units.format_percent(share) for share in gpu.busy], markers=False
            )
            visible = True if index == 0 else "legendonly"
            data.append({**trace, "name": f"{trace['name']}, trial {index + 1}", "visible": visible})
    return Figure(
        name="utilisation",
        title="GPU busy over time",
        about=(
            "NVML's utilization.gpu during the timed epochs: the share of each NVML sampling period in which any kernel was resident. It "
            "overstates how busy the device is. The figure shows the first training trial of each loader. Click on another trial in "
            "the legend to show it. A gap means that NVML gave no value."
        ),
        basis=basis_sentence(
            rows, basis, "share of time", ("gpu_busy_fraction",), "no interval: each line is one trial"
        ),
        data=data,
        layout={
            "xaxis": {"title": {"text": "time since the first timed epoch began, s"}},
            "yaxis": {"title": {"text": "GPU busy"}, **SHARE, "range": [0, 1.02]},
            "showlegend": True,
        },
        x_text=units.format_seconds,
        y_text=units.format_percent,
    )


def _with_range(trace: dict[str, Any], row: Row) -> dict[str, Any]:
    """Return a line of AUC by epoch with the range of each epoch as error bars, and every trial's values in `meta`."""
    n = len(row.metrics["auc"].values)
    ranges = [Estimate(mean, low, high, n) for mean, (low, high) in zip(row.auc_by_epoch, row.auc_spread, strict=True)]
    curves = [trial.auc for trial in row.trials["train"] if trial.auc]
    meta = {**trace["meta"], "y_values": [list(values) for values in zip(*curves, strict=False)]}
    return {**trace, "error_y": error_bars(ranges, trace["line"]["color"]), "meta": meta}


def _sweep(rows: Sequence[Row], basis: Basis, name: str, axis: str, place: Place) -> Figure:
    data: list[dict[str, Any]] = []
    for metric, title in (("train_rows_per_s", "training"), ("load_rows_per_s", "loader only")):
        lines: dict[str, list[tuple[int, Row]]] = {}
        for row in rows:
            if metric in row.metrics and (position := place(rows, basis, row)) is not None:
                label, x = position
                lines.setdefault(label, []).append((x, row))
        for label, points in lines.items():
            if len({x for x, _ in points}) > 1:
                data.append(_sweep_line(f"{label}, {title}", label, len(data), points, metric))
    return Figure(
        name=name,
        title=f"Throughput over {name.replace('-', ' ')}",
        about="Each point is the mean over the processes. Each line is one loader in one run. Along it, only the setting on the x axis changes.",
        basis=basis_sentence(rows, basis, "rows/s", ("train_rows_per_s", "load_rows_per_s")),
        data=data,
        layout={
            "xaxis": {"title": {"text": axis}, **(LOG if "log" in axis else {})},
            "yaxis": {**LOG, "title": {"text": "rows/s, log scale"}, "exponentformat": "SI"},
            "showlegend": True,
        },
        y_text=units.format_rate,
    )


def _sweep_line(name: str, loader: str, number: int, points: list[tuple[int, Row]], metric: str) -> dict[str, Any]:
    points = sorted(points, key=lambda point: point[0])
    samples = [row.metrics[metric] for _, row in points]
    trace = line(
        points[0][1], number, [x for x, _ in points], [point.estimate.mean for point in samples],
        [mean_text(point, units.format_rate) for point in samples],
    )  # fmt: skip
    return {
        **trace, "name": escape(name), "meta": {"loader": escape(loader), "y_values": [list(point.values) for point in samples]},
        "error_y": error_bars([point.estimate for point in samples], COLOURS[number % len(COLOURS)]),
        "hovertemplate": f"{escape(name)}: %{{customdata}}<extra></extra>",
    }  # fmt: skip


def _by_batch_size(_rows: Sequence[Row], basis: Basis, row: Row) -> tuple[str, int]:
    return _labelled(basis, row.loader, row.run), row.batch_size


def _by_workers(rows: Sequence[Row], basis: Basis, row: Row) -> tuple[str, int] | None:
    """Take the number of workers from the loader's own option if it has one, otherwise from the run's setting."""
    trials = (*row.trials["train"], *row.trials["load"])
    option = re.search(r":workers=(\d+)", row.loader)
    workers = option[1] if option else row.options.get("workers", "")
    loader = _labelled(basis, re.sub(r":workers=\d+", "", row.loader), row.run)
    sizes = {any_row.batch_size for any_row in rows}
    label = f"{loader}, batch {row.batch_size}" if len(sizes) > 1 else loader
    return (label, int(workers) if workers.isdigit() else trials[0].spec.workers) if trials else None


def _labelled(basis: Basis, loader: str, run: str) -> str:
    return f"{loader}, {run}" if basis.runs > 1 else loader
