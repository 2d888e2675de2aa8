"""Builds the report's figures as Plotly's plain data, without the plotly package. Plotly's JavaScript draws them.

Every figure states its unit and n. Raw samples are drawn beside their mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from feedrate.bench.results.stats import Estimate
from feedrate.reports import units
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.summarize import Basis, Comparison, Row, Samples
from feedrate.reports.analysis.verdicts import NO_SHARE, share_state
from feedrate.reports.figures.distributions import auc, auc_over_time, sweeps, utilisation
from feedrate.reports.figures.figure import Figure, Formatter, basis_sentence, host_memory_metric, mean_text
from feedrate.reports.figures.frontiers import frontiers
from feedrate.reports.figures.palette import NEUTRAL, Look, looks
from feedrate.reports.figures.points import loader_axis, numbers_of, points, row_texts, rows_with
from feedrate.reports.figures.spans import Span, cut_bars, ends, linear_span, log_span
from feedrate.reports.figures.waits import stalls, wait_distribution, wait_times, waiting


def figures(comparison: Comparison, loaders: Sequence[str] = ()) -> list[Figure]:
    """Return the report's figures. Those for which nothing was measured are left out.

    loaders: all loaders of pages with figures of several comparisons, which fix the colours.
    """
    rows, basis, styles = comparison.rows, comparison.basis, looks(comparison.rows, loaders)
    candidates = (
        *throughputs(rows, basis, styles),
        ceiling(rows, basis, styles),
        stalls(rows, basis),
        waiting(rows, basis, styles),
        wait_times(rows, basis, styles),
        wait_distribution(rows, basis, styles),
        *sweeps(rows, basis, styles),
        auc(rows, basis, styles),
        auc_over_time(rows, basis, styles),
        *frontiers(rows, basis, styles),
        *memory(rows, basis, styles),
        utilisation(rows, basis, styles),
    )
    return [figure for figure in candidates if figure.data]


def throughputs(rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look]) -> list[Figure]:
    """Draw rows/s in training with the ceiling, and rows/s of the loader only. The first of them is called throughput."""
    trained = bool(rows_with(rows, "train_rows_per_s"))
    return [
        _throughput(rows, basis, "throughput", "Throughput in training", "train_rows_per_s", styles),
        _throughput(
            rows, basis, "throughput-load" if trained else "throughput", "Throughput of the loader only", "load_rows_per_s", styles
        ),
    ]  # fmt: skip


def _throughput(
    rows: Sequence[Row], basis: Basis, name: str, title: str, metric: str, styles: Mapping[str, Look]
) -> Figure:
    measured = rows_with(rows, metric)
    ceilings = [(row.label, row.ceiling) for row in rows if row.ceiling and metric in row.metrics]
    numbers, estimates = numbers_of(measured)
    span = log_span([*numbers, *(samples.estimate.mean for _, samples in ceilings)], estimates)
    data = points(measured, BY_NAME[metric].title, styles, span, units.format_rate)
    if data and ceilings:
        data = [
            *(_band(label, ceiling.estimate, span) for label, ceiling in ceilings if ceiling.estimate.low is not None),
            *data,
        ]
        data.append(_ceilings(ceilings, span))
    layout = _rows_layout(rows, data, measured, span, "rows/s, log scale", units.format_count, "count")
    if ceilings:
        known = any(samples.estimate.low is not None for _, samples in ceilings)
        layout["meta"]["key"] = [["❘", NEUTRAL, f"model only, the ceiling{', with its 95 % interval' * known}"]]
    return Figure(
        name=name,
        title=title,
        about=f"{BY_NAME[metric].about} A grey line is the rate of the model without a loader, and a grey band its 95 % interval."
        if ceilings
        else BY_NAME[metric].about,
        basis=basis_sentence(rows, basis, "rows/s", (metric,)),
        data=data,
        layout=layout,
        x_text=units.format_rate,
    )


def _band(label: str, ceiling: Estimate, span: Span) -> dict[str, Any]:
    """Return the interval of a row's ceiling as a wide pale line."""
    low, high = max(ceiling.low or 0.0, span.low), min(ceiling.high or 0.0, span.high)
    return {
        "type": "scatter", "mode": "lines", "name": "Model only (ceiling), 95 % interval", "x": [low, high], "y": [escape(label)] * 2,
        "line": {"color": NEUTRAL, "width": 24}, "opacity": 0.3, "hoverinfo": "skip", "meta": {"loader": escape(label), "pale": True},
    }  # fmt: skip


def _ceilings(ceilings: Sequence[tuple[str, Samples]], span: Span) -> dict[str, Any]:
    estimates = [samples.estimate for _, samples in ceilings]
    means = [estimate.mean for estimate in estimates]
    return {
        "type": "scatter", "mode": "markers", "name": "Model only (ceiling)", "x": means, "y": [escape(label) for label, _ in ceilings],
        "marker": {"symbol": "line-ns-open", "size": 24, "color": NEUTRAL, "line": {"width": 3}},
        "meta": {"x_values": [list(samples.values) for _, samples in ceilings], "x_ends": ends(estimates)},
        "error_x": {**cut_bars(estimates, span, NEUTRAL), "visible": False},
        "customdata": [mean_text(samples, units.format_rate) for _, samples in ceilings], "hovertemplate": "%{y}, model only: %{customdata}<extra></extra>",
    }  # fmt: skip


def _rows_layout(
    rows: Sequence[Row],
    data: Sequence[dict[str, Any]],
    measured: Sequence[tuple[str, Samples]],
    span: Span,
    title: str,
    text: Formatter,
    ticks: str,
) -> dict[str, Any]:
    return {
        "xaxis": {**span.axis, "title": {"text": title}},
        "yaxis": loader_axis(rows, data),
        "meta": {"form": "rows", "values": row_texts(measured, span, text), "ticks": {"xaxis": ticks}},
    }


def ceiling(rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look]) -> Figure:
    """Draw each loader's training rows/s as a share of those of replay."""
    shares = [
        (row.label, row.share) for row in rows if row.share and share_state(row.share, row.ceiling) not in NO_SHARE
    ]  # fmt: skip
    numbers, estimates = numbers_of(shares)
    span = linear_span([*numbers, 1.0], estimates).for_marks
    data = points(shares, "Share", styles, span, units.format_percent)
    known = any(estimate.low is not None for estimate in estimates)
    layout = _rows_layout(rows, data, shares, span, "training / model only", units.format_percent, "share")
    line = {"dash": "dash", "color": NEUTRAL}
    return Figure(
        name="ceiling",
        title="Share of the ceiling",
        about=(
            "Training rows/s divided by replay rows/s, a ratio of geometric means. Replay runs the model without a loader, so 100 % (dashed line) is the most that a "
            "loader can deliver. A value above 100 % is noise. Each small tick is one round, or one training trial if fewer than two "
            "rounds have both training and replay. A share that is not known is left out."
        ),
        basis=basis_sentence(
            rows, basis, "share of replay's rows/s", ("train_rows_per_s",),
            None if known else "only one trial of training or replay",
        ),
        data=data,
        layout={
            **layout,
            "shapes": [{"type": "line", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1, "line": line, "layer": "below"}],
        },
        x_text=units.format_percent,
    )  # fmt: skip


def memory(rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look]) -> list[Figure]:
    """Draw the peak memory of the host and of the device in training, or of the loader only if nothing was trained."""
    return [
        _memory(rows, basis, styles, "memory", "Host memory", host_memory_metric(rows)),
        _memory(rows, basis, styles, "memory-gpu", "Device memory", "peak_gpu_bytes"),
    ]


def _memory(
    rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look], name: str, title: str, metric: str
) -> Figure:
    measured = rows_with(rows, metric)
    numbers, estimates = numbers_of(measured)
    span = linear_span(numbers, estimates).for_marks
    data = points(measured, BY_NAME[metric].title, styles, span, units.format_size)
    return Figure(
        name=name,
        title=title,
        about=(
            "Peak memory in training, including the model and all libraries, or without a model if nothing was trained. It shows what a loader's "
            f"speed costs in memory. {BY_NAME[metric].about}"
        ),
        basis=basis_sentence(rows, basis, "bytes", (metric,)),
        data=data,
        layout=_rows_layout(rows, data, measured, span, "bytes", units.format_size, "bytes"),
        x_text=units.format_size,
    )
