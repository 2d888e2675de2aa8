"""The report's figures, as Plotly's plain data: built without the plotly package, drawn by its JavaScript.

Every figure says its unit, what n is and what the bars on a point mean; raw samples are drawn beside their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.stats import Estimate, percentile, ratio
from feedrate.reports import units
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.run_comparison import SampleKey
from feedrate.reports.analysis.stall_split import CAUSES
from feedrate.reports.analysis.summarize import Comparison, Row, Samples
from feedrate.reports.figures.distributions import (
    MIN_WAIT_S,
    auc,
    auc_over_time,
    step_waits,
    sweeps,
    utilisation,
    wait_distribution,
)
from feedrate.reports.figures.figure import (
    COLOURS,
    LOG,
    SHARE,
    Figure,
    Text,
    basis,
    error_bars,
    host_memory,
    said,
    trials_of,
)
from feedrate.reports.figures.frontiers import frontiers


def figures(comparison: Comparison) -> list[Figure]:
    """Those for which something was measured."""
    made = (
        throughput(comparison),
        ceiling(comparison),
        stalls(comparison),
        waiting(comparison),
        wait_times(comparison),
        wait_distribution(comparison),
        *sweeps(comparison),
        auc(comparison),
        auc_over_time(comparison),
        *frontiers(comparison),
        memory(comparison),
        utilisation(comparison),
    )
    return [figure for figure in made if figure.data]


def throughput(comparison: Comparison) -> Figure:
    data: list[dict[str, Any]] = []
    for metric, symbol, colour in (
        ("load_rows_per_s", "circle", COLOURS[0]),
        ("train_rows_per_s", "diamond", COLOURS[1]),
    ):
        if found := _of(comparison.rows, metric):
            data += _points(found, BY_NAME[metric].title, symbol, colour, units.format_rate)
    ceilings = [(row.label, row.ceiling) for row in comparison.rows if row.ceiling]
    if data and ceilings:
        data += _points(ceilings, "Model alone (ceiling)", "line-ns-open", COLOURS[7], units.format_rate)
    return Figure(
        name="throughput",
        title="Throughput",
        about="Rows delivered over wall time. Large marks: mean over fresh processes; small marks: each process.",
        basis=basis(comparison, "rows/s", ("load_rows_per_s", "train_rows_per_s")),
        data=data,
        layout={
            "xaxis": {**LOG, "title": {"text": "rows/s, log scale"}, "exponentformat": "SI"},
            "yaxis": _labels(comparison, data),
        },
        x_text=units.format_rate,
    )


def ceiling(comparison: Comparison) -> Figure:
    shares = [(row.label, share) for row in comparison.rows if (share := ceiling_share(comparison, row)) is not None]
    data = _points(shares, "Share", "diamond", COLOURS[1], units.format_percent, said_at="top center") if shares else []
    known = any(share.estimate.low is not None for _, share in shares)
    interval = "95 % bootstrap interval of the ratio" if known else "no interval: one trial of training or of replay"
    line = {"dash": "dash", "color": COLOURS[7]}
    return Figure(
        name="ceiling",
        title="Share of the ceiling",
        about=(
            "How much of what the model can take each loader delivers: mean training rows/s over mean replay rows/s; small marks: each "
            "round. Past 100 % is noise."
        ),
        basis=basis(comparison, "share of replay's rows/s", ("train_rows_per_s",), interval),
        data=data,
        layout={
            "xaxis": {"title": {"text": "training / model alone"}, **SHARE, "rangemode": "tozero"},
            "yaxis": _labels(comparison, data),
            "showlegend": False,
            "shapes": [{"type": "line", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1, "line": line}],
        },
        x_text=units.format_percent,
    )  # fmt: skip


def ceiling_share(comparison: Comparison, row: Row) -> Samples | None:
    """Training over replay, of each round where both ran in two rounds or more; else each training over the mean replay."""
    if not row.ceiling_fraction or row.ceiling is None:
        return None
    train, replay = (_by_round(trials_of(comparison, row, mode)) for mode in ("train", "replay"))
    rounds = [key for key in train if key in replay]
    paired = len(rounds) > 1
    heads, bases = (
        ([train[key] for key in rounds], [replay[key] for key in rounds])
        if paired
        else (list(train.values()), list(replay.values()))
    )
    values = tuple(
        a / b for a, b in zip(heads, bases if paired else [row.ceiling.estimate.mean] * len(heads), strict=True)
    )
    return Samples(values, _about(row.ceiling_fraction, ratio(heads, bases, paired=paired), len(values)))


def _about(mean: float, found: Estimate, n: int) -> Estimate:
    """The mean with the relative interval of another estimate of it."""
    if found.low is None or found.high is None:
        return Estimate(mean, None, None, n)
    return Estimate(mean, mean * found.low / found.mean, mean * found.high / found.mean, n)


def _by_round(trials: Sequence[TrialResult]) -> dict[SampleKey, float]:
    return {
        (trial.run_at, trial.spec.repeat, trial.spec.seed): rows_per_s
        for trial in trials
        if (rows_per_s := trial.rows_per_s)
    }


def stalls(comparison: Comparison) -> Figure:
    """Both ways of finding the loss: the bars are its parts, the marks the two totals."""
    rows = [(row.label, row.stall) for row in comparison.rows if row.stall is not None]
    labels = [escape(label) for label, _ in rows]
    data: list[dict[str, Any]] = []
    for colour, (name, title) in zip(COLOURS, CAUSES.items(), strict=False):
        shares = [max(getattr(stall, name), 0.0) for _, stall in rows]
        data.append(
            {
                "type": "bar", "orientation": "h", "name": title, "x": shares, "y": labels, "marker": {"color": colour},
                "customdata": [units.format_percent(share) for share in shares],
                "hovertemplate": f"%{{y}}, {title}: %{{customdata}}<extra></extra>",
            }
        )  # fmt: skip
    for name, title, symbol in (
        ("differential", "train against replay", "diamond"),
        ("direct", "waiting, device idle", "circle-open"),
    ):
        totals = [getattr(stall, name) for _, stall in rows]
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
            "Time lost to the loader, by cause. Diamond: 1 - training/replay, between trials. Circle: in each step, waiting in next() "
            "while the device had nothing to do. Where they are apart the steps themselves were slower beside the loader."
        ),
        basis=basis(
            comparison, "share of the training time", ("train_rows_per_s",),
            "no interval: the steady epochs of all processes together",
        ),
        data=data if rows else [],
        layout={
            "xaxis": {"title": {"text": "share of the training time"}, **SHARE},
            "yaxis": _labels(comparison, data),
            "barmode": "stack",
            "showlegend": True,
        },
        x_text=units.format_percent,
    )  # fmt: skip


def waiting(comparison: Comparison) -> Figure:
    """Where the stall is not known."""
    found = _of([row for row in comparison.rows if row.stall is None], "wait_fraction")
    data = _points(found, "Waiting", "diamond", COLOURS[1], units.format_percent, said_at="top center") if found else []
    return Figure(
        name="waiting",
        title="Waiting for data",
        about="Share of the training time that the host spent in the loader; small marks: each process. On a GPU the host may wait while the device still works.",
        basis=basis(comparison, "share of the training time", ("wait_fraction",)),
        data=data,
        layout={
            "xaxis": {"title": {"text": "time in next() / training time"}, **SHARE, "range": [0, 1]},
            "yaxis": _labels(comparison, data),
            "showlegend": False,
        },
        x_text=units.format_percent,
    )


def wait_times(comparison: Comparison) -> Figure:
    """Percentiles of the wait of each step: a loader that delivers in bursts shows here and nowhere else."""
    marks = (("median", 0.5, "circle"), ("p95", 0.95, "diamond"), ("p99", 0.99, "square"), ("max", 1.0, "x"))
    waits = {row.label: step_waits(comparison, row) for row in comparison.rows}
    rows = [row for row in comparison.rows if waits[row.label]]
    data = []
    for colour, (name, fraction, symbol) in zip(COLOURS, marks, strict=False):
        values = [max(percentile(waits[row.label], fraction), MIN_WAIT_S) for row in rows]
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": name, "x": values, "y": [escape(row.label) for row in rows],
                "marker": {"symbol": symbol, "size": 10, "color": colour},
                "customdata": [units.format_seconds(value) for value in values],
                "hovertemplate": f"%{{y}}, {name}: %{{customdata}}<extra></extra>",
            }
        )  # fmt: skip
    return Figure(
        name="wait-times",
        title="Wait of a step",
        about="Host time in next() of every training step. A max far from the median is a bursty loader.",
        basis=basis(
            comparison, "s", ("train_rows_per_s",), "no interval: percentiles of the steps of all processes and epochs together"
        ),
        data=data if rows else [],
        layout={
            "xaxis": {**LOG, "title": {"text": "time, log scale"}, "tickformat": "~s", "ticksuffix": "s"},
            "yaxis": _labels(comparison, data),
        },
        x_text=units.format_seconds,
    )  # fmt: skip


def memory(comparison: Comparison) -> Figure:
    host = host_memory(comparison)
    data: list[dict[str, Any]] = []
    for metric, name, symbol, colour, side in (
        (host, "Host, process tree", "circle", COLOURS[2], "top center"),
        ("peak_gpu_bytes", "Device", "square", COLOURS[3], "bottom center"),
    ):
        if found := _of(comparison.rows, metric):
            data += _points(found, name, symbol, colour, units.format_size, said_at=side)
    return Figure(
        name="memory",
        title="Memory",
        about="Peak while training, model and libraries included: speed that is paid for in memory shows here. Small marks: each process.",
        basis=basis(comparison, "bytes", (host, "peak_gpu_bytes")),
        data=data,
        layout={
            "xaxis": {"title": {"text": "bytes"}, "exponentformat": "SI", "ticksuffix": "B", "rangemode": "tozero"},
            "yaxis": _labels(comparison, data),
            "showlegend": True,
        },
        x_text=units.format_size,
    )


def _of(rows: Sequence[Row], metric: str) -> list[tuple[str, Samples]]:
    return [(row.label, row.metrics[metric]) for row in rows if metric in row.metrics]


def _points(
    rows: Sequence[tuple[str, Samples]], name: str, symbol: str, colour: str, text: Text, *, said_at: str | None = None
) -> list[dict[str, Any]]:
    """Means with their intervals, and every sample as a small mark. said_at: where each mean is written, beside its mark."""
    estimates = [samples.estimate for _, samples in rows]
    mean_trace = {
        "type": "scatter", "mode": "markers+text" if said_at else "markers", "name": name,
        "x": [found.mean for found in estimates], "y": [escape(label) for label, _ in rows],
        "marker": {"symbol": symbol, "size": 14, "color": colour, "line": {"width": 2, "color": colour}},
        "error_x": error_bars(estimates, colour), "meta": {"x_values": [list(samples.values) for _, samples in rows]},
        "customdata": [said(samples, text) for _, samples in rows],
        "hovertemplate": f"%{{y}}, {name}: %{{customdata}}<extra></extra>",
        **({"text": [text(found.mean) for found in estimates], "textposition": said_at, "cliponaxis": False} if said_at else {}),
    }  # fmt: skip
    raw = [(escape(label), value) for label, samples in rows for value in samples.values]
    raw_trace = {
        "type": "scatter", "mode": "markers", "showlegend": False, "x": [value for _, value in raw], "y": [label for label, _ in raw],
        "marker": {"symbol": "circle-open", "size": 6, "color": colour, "opacity": 0.7}, "hoverinfo": "skip",
    }  # fmt: skip
    return [mean_trace, raw_trace]


def _labels(comparison: Comparison, data: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The loaders that are drawn, fastest on top."""
    drawn = {label for trace in data for label in trace["y"]}
    return {
        "autorange": "reversed",
        "automargin": True,
        "categoryarray": [label for row in comparison.rows if (label := escape(row.label)) in drawn],
        "type": "category",
    }
