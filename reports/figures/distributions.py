"""Draws what a single mean hides: speed over settings, AUC over epochs and time, and the device over time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from feedrate.bench.results.stats import Estimate, estimate
from feedrate.reports import units
from feedrate.reports.analysis.summarize import Basis, Row
from feedrate.reports.figures.figure import Figure, basis_sentence, line, mean_text
from feedrate.reports.figures.palette import Look
from feedrate.reports.figures.points import loader_axis, numbers_of, points, row_texts, rows_with
from feedrate.reports.figures.spans import Span, arrows, cut_bars, ends, linear_span, log_span

Place = Callable[[Sequence[Row], Basis, Row], tuple[str, int] | None]
"""Returns a row's place in a sweep: the label of its line, and its position on the x axis. None leaves the row out."""

MAX_STEP, MAX_SHIFT = 0.08, 0.3
"""How far, in epochs, lines are drawn beside each other: from one to the next, and the first and the last from their epoch."""
SWEEP_ROOM = 0.05
"""Room on both sides of a linear axis of settings, as a share of its length, so that no mark at 0 is cut."""
AUC_LENGTH = 0.002
"""Shortest axis of an AUC. Smaller differences are noise and look like it."""


def auc(rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look]) -> Figure:
    """Draw the AUC after each epoch, one line per loader."""
    about = "Mean AUC of the processes after each epoch. Loaders that deliver the same rows must reach the same AUC."
    if basis.best_auc is not None:
        about += (
            " The labels were drawn from known probabilities. A model that predicted exactly these would reach "
            f"{units.format_auc(basis.best_auc)}, which no model can beat."
        )
    drawn = [row for row in rows if row.auc_by_epoch]
    if max((len(row.auc_by_epoch) for row in drawn), default=0) == 1:
        return _auc_rows(rows, basis, styles, about.replace(" after each epoch", ""))
    x = [_beside(range(1, len(row.auc_by_epoch) + 1), number, len(drawn)) for number, row in enumerate(drawn)]
    data, span = _auc_lines(styles, drawn, x, lambda epoch: f"epoch {round(epoch)}")
    return Figure(
        name="auc",
        title="AUC by epoch",
        about=about,
        basis=basis_sentence(rows, basis, "AUC from 0 to 1", ("auc",)),
        data=data,
        layout={
            "xaxis": {"title": {"text": "epoch"}, **_epochs(x)},
            "yaxis": {"title": {"text": "AUC, whole validation split"}, **span.axis},
            "meta": {"form": "lines", "ticks": {"yaxis": "number"}},
        },
        x_text=lambda epoch: str(round(epoch)),
        y_text=units.format_auc,
    )


def _beside(epochs: Sequence[int], number: int, lines: int) -> list[float]:
    """Return where the points of a line are drawn: lines of equal AUC lie beside each other, and none is hidden."""
    step = min(MAX_STEP, 2 * MAX_SHIFT / max(lines - 1, 1))
    return [epoch + step * (number - (lines - 1) / 2) for epoch in epochs]


def _auc_rows(rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look], about: str) -> Figure:
    """Draw the AUC of a single epoch: a mark for each loader, because a line needs two points."""
    measured = rows_with(rows, "auc")
    numbers, estimates = numbers_of(measured)
    span = linear_span(numbers, estimates, from_zero=False, least=AUC_LENGTH)
    data = points(measured, "AUC", styles, span, units.format_auc)
    return Figure(
        name="auc",
        title="AUC after one epoch",
        about=about,
        basis=basis_sentence(rows, basis, "AUC from 0 to 1", ("auc",)),
        data=data,
        layout={
            "xaxis": {"title": {"text": "AUC, whole validation split"}, **span.axis},
            "yaxis": loader_axis(rows, data),
            "meta": {"form": "rows", "values": row_texts(measured, span, units.format_auc), "ticks": {"xaxis": "number"}},
        },
        x_text=units.format_auc,
    )  # fmt: skip


def auc_over_time(rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look]) -> Figure:
    """Draw the AUC over the training time, one line per loader and one point per epoch."""
    drawn, x = [], []
    for row in rows:
        trials = [trial for trial in row.trials["train"] if trial.auc and trial.epochs]
        if trials and len(row.auc_by_epoch) > 1:
            walls = [[epoch.wall_s for epoch in trial.epochs or ()] for trial in trials]
            drawn.append(row)
            x.append(
                [sum(sum(wall_s[: end + 1]) for wall_s in walls) / len(walls) for end in range(len(row.auc_by_epoch))]
            )
    data, span = _auc_lines(styles, drawn, x, units.format_seconds)
    return Figure(
        name="auc-over-time",
        title="AUC over time",
        about="A faster loader reaches the same AUC sooner. Each point is the end of an epoch, averaged over the processes.",
        basis=basis_sentence(rows, basis, "AUC from 0 to 1 (y) and s (x)", ("auc",)),
        data=data,
        layout={
            "xaxis": {
                "title": {"text": "training time, without evaluations"}, **linear_span([time for times in x for time in times]).axis,
            },
            "yaxis": {"title": {"text": "AUC, whole validation split"}, **span.axis},
            "meta": {"form": "lines", "ticks": {"xaxis": "seconds", "yaxis": "number"}},
        },
        x_text=units.format_seconds,
        y_text=units.format_auc,
    )  # fmt: skip


def sweeps(rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look]) -> list[Figure]:
    """Draw throughput over batch sizes and over workers. An axis with a single value is left out."""
    candidates = [
        _sweep(rows, basis, styles, "batch-sizes", "batch size, rows, log scale", _by_batch_size),
        _sweep(rows, basis, styles, "workers", "worker processes", _by_workers),
    ]
    return [figure for figure in candidates if figure.data]


def utilisation(rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look]) -> Figure:
    """Draw how busy the GPU was over time. Each loader's first training trial is a full line, and its others are pale ones."""
    data: list[dict[str, Any]] = []
    for row in rows:
        records = [trial.gpu for trial in row.trials["train"] if trial.gpu and trial.gpu.at_s]
        for index, gpu in enumerate(records):
            texts = [units.format_percent(share) for share in gpu.busy]
            trace = line(row.label, styles[row.label], gpu.at_s, gpu.busy, texts, markers=False)
            meta = trace["meta"] if index == 0 else {**trace["meta"], "pale": True}
            pale = {"opacity": 0.3, "hoverinfo": "skip", "line": {**trace["line"], "width": 1}} if index else {}
            data.append(
                {
                    **trace,
                    **pale,
                    "name": f"{trace['name']}, trial {index + 1}" if index else trace["name"],
                    "meta": meta,
                }
            )
    seconds = [at_s for trace in data for at_s in trace["x"]]
    return Figure(
        name="utilisation",
        title="GPU busy over time",
        about=(
            "NVML's utilization.gpu during the timed epochs: the share of each NVML sampling period in which any kernel was resident. It "
            "overstates how busy the device is. The full line is the first training trial of each loader, and pale lines are its other trials. A gap "
            "means that NVML gave no value."
        ),
        basis=basis_sentence(rows, basis, "share of time", ("gpu_busy_fraction",), "each line is one trial"),
        data=data,
        layout={
            "xaxis": {"title": {"text": "time since the first timed epoch began"}, **linear_span(seconds).axis},
            "yaxis": {"title": {"text": "GPU busy"}, "range": [0, 1.02]},
            "meta": {"form": "lines", "ticks": {"xaxis": "seconds", "yaxis": "share"}},
        },
        x_text=units.format_seconds,
        y_text=units.format_percent,
    )


def _epochs(x: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return the axis of epochs: whole numbers. At most eight are written."""
    last = max((len(epochs) for epochs in x), default=1)
    return {"tick0": 1, "dtick": -(-last // 8), "range": [0.6, last + 0.4]}


def _auc_lines(
    styles: Mapping[str, Look], drawn: Sequence[Row], x: Sequence[Sequence[float]], text: Callable[[Any], str]
) -> tuple[list[dict[str, Any]], Span]:
    """Return the lines of AUC with the interval of each epoch, and their axis."""
    curves = [[trial.auc for trial in row.trials["train"] if trial.auc] for row in drawn]
    values = [[list(epoch) for epoch in zip(*curve, strict=False)] for curve in curves]
    estimates = [[estimate(epoch) for epoch in epochs] for epochs in values]
    means = [mean for row in drawn for mean in row.auc_by_epoch]
    span = linear_span(means, [e for epochs in estimates for e in epochs], from_zero=False, least=AUC_LENGTH)
    data: list[dict[str, Any]] = []
    for row, at, epochs, samples in zip(drawn, x, estimates, values, strict=True):
        texts = [f"{text(place)}: {units.format_auc(mean)}" for place, mean in zip(at, row.auc_by_epoch, strict=True)]
        trace = line(row.label, styles[row.label], at, row.auc_by_epoch, texts)
        data += _with_bars(trace, styles[row.label], epochs, samples, span)
    return data, span


def _with_bars(
    trace: dict[str, Any], look: Look, estimates: Sequence[Estimate], samples: Sequence[Sequence[float]], span: Span
) -> list[dict[str, Any]]:
    """Return a line with the interval of each point, and arrows for those that the axis cuts."""
    meta = {**trace["meta"], "y_values": [list(values) for values in samples], "y_ends": ends(estimates)}
    cut = arrows(estimates, trace["x"], [look.colour] * len(estimates), span, "y")
    return [
        {**trace, "error_y": cut_bars(estimates, span, look.colour), "meta": meta},
        *({**arrow, "meta": {"loader": trace["meta"]["loader"], "pale": True}} for arrow in cut),
    ]


def _sweep(rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look], name: str, axis: str, place: Place) -> Figure:
    lines: dict[tuple[str, str, str], list[tuple[int, Row]]] = {}
    for metric, title in (("train_rows_per_s", "training"), ("load_rows_per_s", "loader only")):
        for row in rows:
            if metric in row.metrics and (position := place(rows, basis, row)) is not None:
                label, x = position
                lines.setdefault((metric, title, label), []).append((x, row))
    swept = {key: points for key, points in lines.items() if len({x for x, _ in points}) > 1}
    samples = [row.metrics[metric] for (metric, *_), points in swept.items() for _, row in points]
    y = log_span([value for sample in samples for value in sample.values], [sample.estimate for sample in samples])
    places = [float(x) for points in swept.values() for x, _ in points]
    length = max(places, default=1.0) or 1.0
    linear = Span(-SWEEP_ROOM * length, (1 + SWEEP_ROOM) * length, False)
    return Figure(
        name=name,
        title=f"Throughput over {name.replace('-', ' ')}",
        about="Each point is the mean over the processes. Each line is one loader in one run. Along it, only the setting on the x axis changes.",
        basis=basis_sentence(rows, basis, "rows/s", ("train_rows_per_s", "load_rows_per_s")),
        data=[
            trace
            for (metric, title, label), points in swept.items()
            for trace in _sweep_line(styles, f"{label}, {title}", label, points, metric, y)
        ],
        layout={
            "xaxis": {"title": {"text": axis}, **(log_span(places) if "log" in axis else linear).axis},
            "yaxis": {"title": {"text": "rows/s, log scale"}, **y.axis},
            "meta": {"form": "lines", "ticks": {"xaxis": "count", "yaxis": "count"}},
        },
        y_text=units.format_rate,
    )


def _sweep_line(
    styles: Mapping[str, Look], name: str, loader: str, points: list[tuple[int, Row]], metric: str, span: Span
) -> list[dict[str, Any]]:
    points = sorted(points, key=lambda point: point[0])
    samples = [row.metrics[metric] for _, row in points]
    look = styles[points[0][1].label]
    if metric == "load_rows_per_s":
        look = Look(look.colour, "dot", look.symbol)
    trace = line(
        name, look, [x for x, _ in points], [point.estimate.mean for point in samples],
        [mean_text(point, units.format_rate) for point in samples],
    )  # fmt: skip
    trace["meta"] = {"loader": escape(loader)}
    return _with_bars(trace, look, [point.estimate for point in samples], [point.values for point in samples], span)


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
