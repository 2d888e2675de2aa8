"""Figures of what a mean hides: waits by size, speed over settings, AUC over epochs and time, the device over time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from feedrate.bench.results.stats import Estimate
from feedrate.reports import units
from feedrate.reports.analysis.summarize import Basis, Row
from feedrate.reports.figures.figure import COLOURS, LOG, SHARE, Figure, basis_sentence, error_bars, line, said

Place = Callable[[Sequence[Row], Basis, Row], tuple[str, int] | None]
"""Of a row in a sweep: what one line is, and where on the axis."""


def auc(rows: Sequence[Row], basis: Basis) -> Figure:
    data = []
    for number, row in enumerate(row for row in rows if row.auc_by_epoch):
        epochs = list(range(1, len(row.auc_by_epoch) + 1))
        text = [
            f"epoch {epoch}: {units.format_auc(mean)}" for epoch, mean in zip(epochs, row.auc_by_epoch, strict=True)
        ]
        data.append(_with_spread(line(row, number, epochs, row.auc_by_epoch, text), row))
    best = basis.best_auc
    about = "Mean over the processes. Loaders that deliver the same rows must learn the same."
    if best is not None:
        about += f" The best that any model could reach on these labels, which were drawn from known probabilities, is {units.format_auc(best)}."
    return Figure(
        name="auc",
        title="AUC by epoch",
        about=about,
        basis=basis_sentence(rows, basis, "AUC, 0 to 1", ("auc",), "least to greatest"),
        data=data,
        layout={
            "xaxis": {"title": {"text": "epoch"}, "dtick": 1},
            "yaxis": {"title": {"text": "AUC, whole valid split"}, "tickformat": ".3f"},
            "showlegend": True,
        },
        y_text=units.format_auc,
        interval="least to greatest",
    )


def auc_over_time(rows: Sequence[Row], basis: Basis) -> Figure:
    data = []
    for number, row in enumerate(rows):
        trials = [trial for trial in row.trials["train"] if trial.auc and trial.epochs]
        if trials and row.auc_by_epoch:
            walls = [[epoch.wall_s for epoch in trial.epochs or ()] for trial in trials]
            spent = [sum(sum(own[: end + 1]) for own in walls) / len(walls) for end in range(len(row.auc_by_epoch))]
            trace = line(row, number, spent, row.auc_by_epoch, [units.format_auc(mean) for mean in row.auc_by_epoch])
            data.append(_with_spread(trace, row))
    return Figure(
        name="auc-over-time",
        title="AUC over time",
        about="What a loader's speed buys: the same AUC sooner. Means over the processes.",
        basis=basis_sentence(rows, basis, "AUC, 0 to 1, over seconds", ("auc",), "least to greatest AUC"),
        data=data,
        layout={
            "xaxis": {"title": {"text": "training time, s, evaluations left out"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": "AUC, whole valid split"}, "tickformat": ".3f"},
            "showlegend": True,
        },
        x_text=units.format_seconds,
        y_text=units.format_auc,
        interval="least to greatest",
    )


def sweeps(rows: Sequence[Row], basis: Basis) -> list[Figure]:
    """Throughput over batch sizes and over workers, where there is more than one of them."""
    made = [
        _sweep(rows, basis, "batch-sizes", "batch size, rows, log scale", _by_batch_size),
        _sweep(rows, basis, "workers", "worker processes", _by_workers),
    ]
    return [figure for figure in made if figure.data]


def utilisation(rows: Sequence[Row], basis: Basis) -> Figure:
    data = []
    for number, row in enumerate(rows):
        seen = [trial.gpu for trial in row.trials["train"] if trial.gpu and trial.gpu.at_s]
        for place, gpu in enumerate(seen):
            trace = line(
                row, number, gpu.at_s, gpu.busy, [units.format_percent(share) for share in gpu.busy], markers=False
            )
            visible = True if place == 0 else "legendonly"
            data.append({**trace, "name": f"{trace['name']}, trial {place + 1}", "visible": visible})
    return Figure(
        name="utilisation",
        title="GPU busy over time",
        about=(
            "NVML's utilization.gpu within the timed epochs: the share of NVML's own period with any kernel resident, which flatters. The "
            "first training trial of each loader is shown, the others when chosen in the legend. A gap: NVML gave no value."
        ),
        basis=basis_sentence(rows, basis, "share of time", ("gpu_busy_fraction",), "no interval: a line is one trial"),
        data=data,
        layout={
            "xaxis": {"title": {"text": "time since the first timed epoch began, s"}},
            "yaxis": {"title": {"text": "GPU busy"}, **SHARE, "range": [0, 1.02]},
            "showlegend": True,
        },
        x_text=units.format_seconds,
        y_text=units.format_percent,
    )


def _with_spread(trace: dict[str, Any], row: Row) -> dict[str, Any]:
    """A line of AUC by epoch with the least and greatest of each, and all of them."""
    n = len(row.metrics["auc"].values)
    spread = [Estimate(mean, low, high, n) for mean, (low, high) in zip(row.auc_by_epoch, row.auc_spread, strict=True)]
    curves = [trial.auc for trial in row.trials["train"] if trial.auc]
    meta = {**trace["meta"], "y_values": [list(values) for values in zip(*curves, strict=False)]}
    return {**trace, "error_y": error_bars(spread, trace["line"]["color"]), "meta": meta}


def _sweep(rows: Sequence[Row], basis: Basis, name: str, axis: str, place: Place) -> Figure:
    data: list[dict[str, Any]] = []
    for metric, title in (("train_rows_per_s", "training"), ("load_rows_per_s", "alone")):
        lines: dict[str, list[tuple[int, Row]]] = {}
        for row in rows:
            if metric in row.metrics and (position := place(rows, basis, row)) is not None:
                lines.setdefault(position[0], []).append((position[1], row))
        for label, points in lines.items():
            if len({x for x, _ in points}) > 1:
                data.append(_swept(f"{label}, {title}", label, len(data), points, metric))
    return Figure(
        name=name,
        title=f"Throughput over {name.replace('-', ' ')}",
        about="Means over the processes; one line for each loader of each run, all else being equal.",
        basis=basis_sentence(rows, basis, "rows/s", ("train_rows_per_s", "load_rows_per_s")),
        data=data,
        layout={
            "xaxis": {"title": {"text": axis}, **(LOG if "log" in axis else {})},
            "yaxis": {**LOG, "title": {"text": "rows/s, log scale"}, "exponentformat": "SI"},
            "showlegend": True,
        },
        y_text=units.format_rate,
    )


def _swept(name: str, loader: str, number: int, points: list[tuple[int, Row]], metric: str) -> dict[str, Any]:
    points = sorted(points, key=lambda point: point[0])
    samples = [row.metrics[metric] for _, row in points]
    trace = line(
        points[0][1], number, [x for x, _ in points], [own.estimate.mean for own in samples],
        [said(own, units.format_rate) for own in samples],
    )  # fmt: skip
    return {
        **trace, "name": escape(name), "meta": {"loader": escape(loader), "y_values": [list(own.values) for own in samples]},
        "error_y": error_bars([own.estimate for own in samples], COLOURS[number % len(COLOURS)]),
        "hovertemplate": f"{escape(name)}: %{{customdata}}<extra></extra>",
    }  # fmt: skip


def _by_batch_size(_rows: Sequence[Row], basis: Basis, row: Row) -> tuple[str, int]:
    return _labelled(basis, row.loader, row.run), row.batch_size


def _by_workers(rows: Sequence[Row], basis: Basis, row: Row) -> tuple[str, int] | None:
    """The loader's own option if it has one, otherwise the run's setting."""
    trials = (*row.trials["train"], *row.trials["load"])
    option = re.search(r":workers=(\d+)", row.loader)
    workers = option[1] if option else row.options.get("workers", "")
    loader = _labelled(basis, re.sub(r":workers=\d+", "", row.loader), row.run)
    sizes = {other.batch_size for other in rows}
    label = f"{loader}, batch {row.batch_size}" if len(sizes) > 1 else loader
    return (label, int(workers) if workers.isdigit() else trials[0].spec.workers) if trials else None


def _labelled(basis: Basis, loader: str, run: str) -> str:
    return f"{loader}, {run}" if basis.runs > 1 else loader
