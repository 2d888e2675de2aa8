"""Figures of what a mean hides: waits by size, speed over settings, AUC over time, the device over time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from feedrate.bench.record import TrialResult
from feedrate.bench.stats import percentile
from feedrate.reports import units
from feedrate.reports.compare import Comparison, Row
from feedrate.reports.figure import COLOURS, DASHES, Figure, basis

LEVELS = (*(level / 200 for level in range(1, 200)), 0.999, 1.0)
"""Of the waits that are drawn."""
LEAST_S = 1e-7
"""What a wait of nothing is drawn as."""


def wait_distribution(comparison: Comparison) -> Figure:
    data = []
    for number, row in enumerate(comparison.rows):
        waits = step_waits(comparison, row)
        if waits:
            values = [max(percentile(waits, level), LEAST_S) for level in LEVELS]
            data.append(
                line(row, number, values, list(LEVELS), [units.seconds(value) for value in values], markers=False)
            )
    layout = {
        "xaxis": {"type": "log", "title": {"text": "wait, s, log scale"}, "tickformat": "~s", "ticksuffix": "s", "dtick": 1},
        "yaxis": {"title": {"text": "share of steps that waited no longer"}, "tickformat": ".0%", "range": [0, 1.02]},
        "showlegend": True,
    }  # fmt: skip
    about = f"Host time in next() of every training step. A flat stretch on the right is a burst. {basis(comparison, ('train_rows_per_s',))}"
    return Figure("wait-distribution", "Distribution of waits", about, data, layout)


def auc_over_time(comparison: Comparison) -> Figure:
    data = []
    for number, row in enumerate(comparison.rows):
        trials = [trial for trial in trials_of(comparison, row, "train") if trial.auc and trial.epochs]
        if trials and row.auc_by_epoch:
            walls = [[epoch.wall_s for epoch in trial.epochs or ()] for trial in trials]
            spent = [sum(sum(own[: end + 1]) for own in walls) / len(walls) for end in range(len(row.auc_by_epoch))]
            data.append(line(row, number, spent, list(row.auc_by_epoch), [units.auc(a) for a in row.auc_by_epoch]))
    layout = {
        "xaxis": {"title": {"text": "training time, s, evaluations left out"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "AUC, whole valid split"}, "tickformat": ".3f"},
        "showlegend": True,
    }
    about = f"What a loader's speed buys: the same AUC sooner. Means. {basis(comparison, ('auc',))}"
    return Figure("auc-over-time", "AUC over time", about, data, layout)


def sweeps(comparison: Comparison) -> list[Figure]:
    """Throughput over batch sizes and over workers, where there is more than one of them."""
    made = [
        _sweep(comparison, "batch-sizes", "batch size, rows, log scale", lambda row: (row.loader, row.batch_size)),
        _sweep(comparison, "workers", "worker processes", _by_workers),
    ]
    return [figure for figure in made if figure.data]


def utilisation(comparison: Comparison) -> Figure:
    data = []
    for number, row in enumerate(comparison.rows):
        seen = [trial.gpu for trial in trials_of(comparison, row, "train") if trial.gpu and trial.gpu.at_s]
        if seen:
            shares = [share if share is not None else 0.0 for share in seen[0].busy]
            data.append(
                line(row, number, list(seen[0].at_s), shares, [units.percent(share) for share in shares], markers=False)
            )
    layout = {
        "xaxis": {"title": {"text": "time since the first timed epoch began, s"}},
        "yaxis": {"title": {"text": "GPU busy"}, "tickformat": ".0%", "range": [0, 1.02]},
        "showlegend": True,
    }
    about = (
        "NVML's utilization.gpu of the first training trial of each loader, within its timed epochs: the share of NVML's own period with "
        f"any kernel resident, which flatters. {basis(comparison, ())}"
    )
    return Figure("utilisation", "GPU busy over time", about, data, layout)


def trials_of(comparison: Comparison, row: Row, mode: str) -> list[TrialResult]:
    """Those that a row was made from."""
    run = next(run for name, run in comparison.runs if name == row.run)
    return [
        trial
        for trial in run.trials
        if trial.status == "ok"
        and trial.spec.mode == mode
        and (trial.spec.loader, trial.spec.batch_size) == (row.loader, row.batch_size)
    ]


def step_waits(comparison: Comparison, row: Row) -> list[float]:
    """Of its trainings, in seconds, sorted."""
    return sorted(wait for trial in trials_of(comparison, row, "train") for wait in trial.step_wait_s or ())


def line(
    row: Row, number: int, x: Sequence[float], y: Sequence[float], text: Sequence[str], *, markers: bool = True
) -> dict[str, Any]:
    """A loader's line, told from others by colour, dash and mark."""
    return {
        "type": "scatter", "mode": "lines+markers" if markers else "lines", "name": escape(row.label), "x": list(x), "y": list(y),
        "meta": {"loader": escape(row.label)}, "customdata": list(text),
        "line": {"color": COLOURS[number % len(COLOURS)], "dash": DASHES[number % len(DASHES)]},
        "marker": {"symbol": number, "size": 8},
        "hovertemplate": f"{escape(row.label)}: %{{customdata}}<extra></extra>",
    }  # fmt: skip


def _sweep(comparison: Comparison, name: str, axis: str, place: Any) -> Figure:
    """place: row -> (what one line is, where on the axis)."""
    data: list[dict[str, Any]] = []
    for metric, title in (("train_rows_per_s", "training"), ("load_rows_per_s", "alone")):
        lines: dict[str, list[tuple[float, Row]]] = {}
        for row in comparison.rows:
            if metric in row.metrics and (found := place(row)) is not None:
                lines.setdefault(found[0], []).append((found[1], row))
        for label, points in lines.items():
            points.sort(key=lambda point: point[0])
            if len({x for x, _ in points}) > 1:
                speeds = [row.mean(metric) or 0.0 for _, row in points]
                trace = line(points[0][1], len(data), [x for x, _ in points], speeds, [units.rate(s) for s in speeds])
                data.append({**trace, "name": escape(f"{label}, {title}"), "meta": {"loader": escape(label)}})
    layout = {
        "xaxis": {"title": {"text": axis}, **({"type": "log"} if "log" in axis else {})},
        "yaxis": {"title": {"text": "rows/s, log scale"}, "type": "log", "exponentformat": "SI"},
        "showlegend": True,
    }
    about = f"Means. {basis(comparison, ('train_rows_per_s', 'load_rows_per_s'))}"
    return Figure(name, f"Throughput over {name.replace('-', ' ')}", about, data, layout)


def _by_workers(row: Row) -> tuple[str, int]:
    found = re.search(r":workers=(\d+)", row.loader)
    return re.sub(r":workers=\d+", "", row.loader), int(found.group(1)) if found else 0
