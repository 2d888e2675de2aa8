"""The report's figures, as Plotly's plain data: built without the plotly package, drawn by its JavaScript.

Every figure says its unit, what n is and what the bars on a point mean; raw samples are drawn beside their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from feedrate.bench.stats import percentile
from feedrate.reports import units
from feedrate.reports.compare import Comparison, Row, Samples
from feedrate.reports.figure import COLOURS, Figure, basis
from feedrate.reports.frontiers import frontiers
from feedrate.reports.metrics import METRICS
from feedrate.reports.spread import LEAST_S, auc_over_time, step_waits, sweeps, utilisation, wait_distribution
from feedrate.reports.stall import CAUSES


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
        rows = [row for row in comparison.rows if metric in row.metrics]
        if rows:
            title = next(m.title for m in METRICS if m.name == metric)
            data += _points([(row.label, row.metrics[metric]) for row in rows], title, symbol, colour)
    ceilings = [(row.label, row.ceiling) for row in comparison.rows if row.ceiling]
    if data and ceilings:
        data += _points(ceilings, "Model alone (ceiling)", "line-ns-open", COLOURS[7])
    layout = {
        "xaxis": {"type": "log", "title": {"text": "rows/s, log scale"}, "exponentformat": "SI", "dtick": 1},
        "yaxis": _labels(comparison),
    }
    about = (
        "Rows delivered over wall time. Large marks: mean over fresh processes; bars: its 95 % Student t interval; small marks: each "
        f"process. {basis(comparison, ('load_rows_per_s', 'train_rows_per_s'))}"
    )
    return Figure("throughput", "Throughput", about, data, layout)


def ceiling(comparison: Comparison) -> Figure:
    rows = [row for row in comparison.rows if row.ceiling_fraction is not None]
    shares = [row.ceiling_fraction or 0.0 for row in rows]
    data = [_bars(rows, shares, "Share", COLOURS[1], units.percent)] if rows else []
    layout = {
        "xaxis": {"title": {"text": "training / model alone"}, "tickformat": ".0%", "rangemode": "tozero"},
        "yaxis": _labels(comparison),
        "shapes": [
            {
                "type": "line",
                "x0": 1,
                "x1": 1,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": {"dash": "dash", "color": COLOURS[7]},
            }
        ],
    }
    about = (
        "How much of what the model can take each loader delivers: mean training rows/s over mean replay rows/s. Past 100 % is noise. "
        f"{basis(comparison, ('train_rows_per_s',))}"
    )
    return Figure("ceiling", "Share of the ceiling", about, data, layout)


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
                "customdata": [units.percent(share) for share in shares],
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
                "customdata": [units.percent(total) for total in totals],
                "hovertemplate": f"%{{y}}, {title}: %{{customdata}}<extra></extra>",
            }
        )  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "share of the training time"}, "tickformat": ".0%"},
        "yaxis": _labels(comparison),
        "barmode": "stack",
        "showlegend": True,
    }
    about = (
        "Time lost to the loader, by cause, over all steady epochs. Diamond: 1 - training/replay, between trials. Circle: in each step, "
        "waiting in next() while the device had nothing to do. Where they are apart the steps themselves were slower beside the loader. "
        f"{basis(comparison, ('train_rows_per_s',))}"
    )
    return Figure("stalls", "Where the time goes", about, data if rows else [], layout)


def waiting(comparison: Comparison) -> Figure:
    rows = [row for row in comparison.rows if row.mean("wait_fraction") is not None and row.stall is None]
    data = (
        [_bars(rows, [row.mean("wait_fraction") or 0.0 for row in rows], "Waiting", COLOURS[4], units.percent)]
        if rows
        else []
    )
    layout = {
        "xaxis": {"title": {"text": "time in next() / training time"}, "tickformat": ".0%", "range": [0, 1]},
        "yaxis": _labels(comparison),
    }
    about = (
        "Share of the training time that the host spent in the loader. On a GPU the host may wait while the device still works. "
        f"{basis(comparison, ('train_rows_per_s',))}"
    )
    return Figure("waiting", "Waiting for data", about, data, layout)


def wait_times(comparison: Comparison) -> Figure:
    """Percentiles of the wait of each step: a loader that delivers in bursts shows here and nowhere else."""
    marks = (("median", 0.5, "circle"), ("p95", 0.95, "diamond"), ("p99", 0.99, "square"), ("max", 1.0, "x"))
    waits = {row.label: step_waits(comparison, row) for row in comparison.rows}
    rows = [row for row in comparison.rows if waits[row.label]]
    data = []
    for colour, (name, fraction, symbol) in zip(COLOURS, marks, strict=False):
        values = [max(percentile(waits[row.label], fraction), LEAST_S) for row in rows]
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": name, "x": values, "y": [escape(row.label) for row in rows],
                "marker": {"symbol": symbol, "size": 10, "color": colour},
                "customdata": [units.seconds(value) for value in values],
                "hovertemplate": f"%{{y}}, {name}: %{{customdata}}<extra></extra>",
            }
        )  # fmt: skip
    layout = {
        "xaxis": {
            "type": "log",
            "title": {"text": "time, log scale"},
            "tickformat": "~s",
            "ticksuffix": "s",
            "dtick": 1,
        },
        "yaxis": _labels(comparison),
    }
    about = (
        "Host time in next() of every training step, all processes and epochs together. A max far from the median is a bursty loader. "
        f"{basis(comparison, ('train_rows_per_s',))}"
    )
    return Figure("wait-times", "Wait of a step", about, data if rows else [], layout)


def auc(comparison: Comparison) -> Figure:
    data = []
    for number, row in enumerate(row for row in comparison.rows if row.auc_by_epoch):
        epochs = list(range(1, len(row.auc_by_epoch) + 1))
        spread = {
            "type": "data", "symmetric": False,
            "array": [high - mean for mean, (_, high) in zip(row.auc_by_epoch, row.auc_spread, strict=True)],
            "arrayminus": [mean - low for mean, (low, _) in zip(row.auc_by_epoch, row.auc_spread, strict=True)],
        }  # fmt: skip
        data.append(
            {
                "type": "scatter", "mode": "lines+markers", "name": escape(row.label), "x": epochs, "y": list(row.auc_by_epoch),
                "error_y": spread, "line": {"color": COLOURS[number % len(COLOURS)]},
                "marker": {"symbol": number, "size": 8}, "meta": {"loader": escape(row.label)},
                "hovertemplate": f"{escape(row.label)}, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
            }
        )  # fmt: skip
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": "epoch"}, "dtick": 1},
        "yaxis": {"title": {"text": "AUC, whole valid split"}, "tickformat": ".3f"},
        "showlegend": True,
    }
    best = comparison.runs[0][1].dataset.best_auc
    about = (
        "Mean over the processes; bars: least and greatest. Loaders that deliver the same rows must learn the same. "
        f"{basis(comparison, ('auc',))}"
    )
    if best is not None:
        about += f" The best that any model could reach on these labels, which were drawn from known probabilities, is {units.auc(best)}."
    return Figure("auc", "AUC by epoch", about, data, layout)


def memory(comparison: Comparison) -> Figure:
    data = []
    for metric, name, colour in (
        (_host_memory(comparison), "Host, process tree", COLOURS[2]),
        ("peak_gpu_bytes", "Device", COLOURS[3]),
    ):
        rows = [row for row in comparison.rows if row.mean(metric) is not None]
        if rows:
            data.append(_bars(rows, [row.mean(metric) or 0.0 for row in rows], name, colour, units.size))
    layout = {
        "xaxis": {
            "title": {"text": "bytes"},
            "exponentformat": "SI",
            "ticksuffix": "B",
            "rangemode": "tozero",
        },
        "yaxis": _labels(comparison),
        "barmode": "group",
        "showlegend": True,
    }
    about = (
        "Peak while training, model and libraries included: speed that is paid for in memory shows here. Means. "
        f"{basis(comparison, (_host_memory(comparison),))}"
    )
    return Figure("memory", "Memory", about, data, layout)


def _points(rows: Sequence[tuple[str, Samples]], name: str, symbol: str, colour: str) -> list[dict[str, Any]]:
    """Means with their intervals, and every sample as a small mark."""
    means = [samples.estimate.mean for _, samples in rows]
    highs = [samples.estimate.high for _, samples in rows]
    text = [units.rate(mean) for mean in means]
    mean_trace = {
        "type": "scatter", "mode": "markers", "name": name, "x": means, "y": [escape(label) for label, _ in rows],
        "marker": {"symbol": symbol, "size": 14, "color": colour, "line": {"width": 2, "color": colour}},
        "customdata": text, "hovertemplate": f"%{{y}}, {name}: %{{customdata}}<extra></extra>",
        "error_x": {"type": "data", "array": [(high or mean) - mean for mean, high in zip(means, highs, strict=True)], "color": colour},
    }  # fmt: skip
    raw = [(escape(label), value) for label, samples in rows for value in samples.values]
    raw_trace = {
        "type": "scatter", "mode": "markers", "showlegend": False, "x": [value for _, value in raw], "y": [label for label, _ in raw],
        "marker": {"symbol": "circle-open", "size": 6, "color": colour, "opacity": 0.7}, "hoverinfo": "skip",
    }  # fmt: skip
    return [mean_trace, raw_trace]


def _bars(rows: Sequence[Row], values: Sequence[float], name: str, colour: str, text: Any) -> dict[str, Any]:
    return {
        "type": "bar", "orientation": "h", "name": name, "x": list(values), "y": [escape(row.label) for row in rows],
        "marker": {"color": colour}, "text": [text(value) for value in values], "textposition": "auto", "textangle": 0,
        "hovertemplate": f"%{{y}}, {name}: %{{text}}<extra></extra>",
    }  # fmt: skip


def _labels(comparison: Comparison) -> dict[str, Any]:
    """The loaders, fastest on top."""
    return {
        "autorange": "reversed",
        "automargin": True,
        "categoryarray": [escape(row.label) for row in comparison.rows],
        "type": "category",
    }


def _host_memory(comparison: Comparison) -> str:
    """PSS where it is known: RSS counts what workers share for each of them."""
    return "peak_pss_bytes" if any("peak_pss_bytes" in row.metrics for row in comparison.rows) else "peak_rss_bytes"
