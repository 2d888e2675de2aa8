"""Draws how long the training waits for a loader, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from typing import Any

from feedrate.bench.results.stats import percentiles
from feedrate.reports import units
from feedrate.reports.analysis.stall_split import CAUSES, StallSplit, loss_text
from feedrate.reports.analysis.summarize import Basis, Row
from feedrate.reports.figures import palette
from feedrate.reports.figures.figure import Figure, basis_sentence, line
from feedrate.reports.figures.palette import Look
from feedrate.reports.figures.points import loader_axis, points, row_texts, rows_with
from feedrate.reports.figures.spans import MARK_ROOM, Span, linear_span, log_span


def stalls(rows: Sequence[Row], basis: Basis) -> Figure:
    """Draw the time lost to each loader. The bars are its causes, and the two marks are the totals by two methods."""
    split = [(row.label, row.stall) for row in rows if row.stall is not None]
    labels = [escape(label) for label, _ in split]
    data: list[dict[str, Any]] = []
    for name, title in CAUSES.items():
        shares = [max(getattr(stall, name), 0.0) for _, stall in split]
        colour, pattern = palette.CAUSES[name]
        data.append(
            {
                "type": "bar", "orientation": "h", "name": title, "x": shares, "y": labels, "width": 0.5,
                "marker": {"color": colour, "pattern": {"shape": pattern, "size": 7, "solidity": 0.2, "fillmode": "overlay", "fgcolor": "#ffffff"}},
                "customdata": [units.format_percent(share) for share in shares],
                "hovertemplate": f"%{{y}}, {title}: %{{customdata}}<extra></extra>",
            }
        )  # fmt: skip
    for name, title, symbol, _ in TOTALS:
        totals = [getattr(stall, name) for _, stall in split]
        shown = [max(total, 0.0) for total in totals]
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": title, "x": shown, "y": labels, "cliponaxis": False,
                "marker": {"symbol": symbol, "size": 11, "color": palette.NEUTRAL, "line": {"width": 2, "color": palette.NEUTRAL if "open" in symbol else "#ffffff"}},
                "customdata": [loss_text(total) for total in totals],
                "hovertemplate": f"%{{y}}, {title}: %{{customdata}}<extra></extra>",
            }
        )  # fmt: skip
    return Figure(
        name="stalls",
        title="Where the time goes",
        about=(
            "Training time lost to the loader, by cause. The diamond is the loss measured between trials: 1 - (training rows/s) / "
            "(replay rows/s). The circle is the loss measured within steps: waits in next() while the device was idle, and device time between "
            "steps. If the two differ, the model's own steps were slower beside the loader. No loss is below 0: what was measured below it is noise, and is drawn at 0."
        ),
        basis=basis_sentence(
            rows, basis, "share of the training time", ("train_rows_per_s",), "the steady epochs of all processes are pooled"
        ),
        data=data if split else [],
        layout={
            "xaxis": {"title": {"text": "share of the training time"}, **_stall_span(split).axis},
            "yaxis": loader_axis(rows, data),
            "barmode": "stack",
            "meta": {
                "form": "rows", "ticks": {"xaxis": "share"}, "key": _stall_key(), "head": "time lost",
                "values": {escape(label): loss_text(stall.differential) for label, stall in split},
            },
        },
        x_text=units.format_percent,
    )  # fmt: skip


TOTALS = (
    ("differential", "training against replay", "diamond", "◆"),
    ("direct", "waits with an idle device", "circle-open", "○"),
)
"""The two methods that measure the loss: field of `StallSplit`, name for people, mark, and the mark as text."""


def _stall_key() -> list[list[str]]:
    """Return sign, colour and meaning of each bar and mark."""
    causes = [
        ["■", palette.CAUSES[name][0], title] for name, title in CAUSES.items()
    ]  # rows.js leaves out what the bars say
    return [*causes, *([sign, palette.NEUTRAL, title] for _, title, _, sign in TOTALS)]


def _stall_span(split: Sequence[tuple[str, StallSplit]]) -> Span:
    bars = [sum(max(getattr(stall, name), 0.0) for name in CAUSES) for _, stall in split]
    totals = [getattr(stall, name) for _, stall in split for name, *_ in TOTALS]
    return linear_span([*bars, *totals], least=0.05).for_marks


def waiting(rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look]) -> Figure:
    """Draw the host's wait of the loaders whose stall was not measured."""
    waits = rows_with([row for row in rows if row.stall is None], "wait_fraction")
    span = Span(0.0, 1.0 + MARK_ROOM, False).for_marks
    data = points(waits, "Waiting", styles, span, units.format_percent)
    return Figure(
        name="waiting",
        title="Waiting for data",
        about=(
            "Share of the training time that the host spent in the loader's next(). Each small tick is one process. On a GPU, the host "
            "may wait while the device still works."
        ),
        basis=basis_sentence(rows, basis, "share of the training time", ("wait_fraction",)),
        data=data,
        layout={
            "xaxis": {"title": {"text": "time in next() / training time"}, **span.axis},
            "yaxis": loader_axis(rows, data),
            "meta": {"form": "rows", "ticks": {"xaxis": "share"}, "values": row_texts(waits, span, units.format_percent)},
        },
        x_text=units.format_percent,
    )  # fmt: skip


def wait_times(rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look]) -> Figure:
    """Draw percentiles of the steps' waits. Only they and the distribution show that a loader delivers in bursts."""
    data: list[dict[str, Any]] = []
    texts = {}
    drawn: list[float] = []
    for row in rows:
        if waits := step_waits(row):
            levels = [max(value, MIN_WAIT_S) for value in percentiles(waits, [fraction for _, fraction in PERCENTILES])]
            data += _wait_marks(escape(row.label), levels, styles[row.label].colour)
            texts[escape(row.label)] = " · ".join(map(units.format_seconds, (levels[0], *levels[2:])))
            drawn += levels
    return Figure(
        name="wait-times",
        title="Wait of a step",
        about=(
            "Host time in next() per training step. The large mark is the median, the thick line ends at the 95th percentile, the small mark is the 99th, and "
            "the thin line ends at the maximum. A loader whose maximum is far from its median delivers in bursts."
        ),
        basis=basis_sentence(
            rows, basis, "s", ("train_rows_per_s",), "the steps of all processes and epochs are pooled"
        ),
        data=data,
        layout={
            "xaxis": {**log_span(drawn).axis, "title": {"text": "time in next(), log scale"}},
            "yaxis": loader_axis(rows, data),
            "meta": {"form": "rows", "ticks": {"xaxis": "seconds"}, "values": texts, "head": "median · p99 · max"},
        },
        x_text=units.format_seconds,
    )  # fmt: skip


PERCENTILES = (("median", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))


def _wait_marks(row: str, levels: Sequence[float], colour: str) -> list[dict[str, Any]]:
    """Return the traces of a loader's waits: two lines, and a mark for each percentile."""
    median, p95, _, longest = levels
    common: dict[str, Any] = {
        "type": "scatter",
        "y": [row, row],
        "hoverinfo": "skip",
        "mode": "lines",
        "meta": {"loader": row},
    }
    lines = [
        {**common, "x": [median, longest], "line": {"color": colour, "width": 2}},
        {**common, "x": [median, p95], "line": {"color": colour, "width": 8}},
    ]
    marks = [
        {
            "type": "scatter", "mode": "markers", "name": name, "x": [value], "y": [row], "meta": {"loader": row},
            "marker": {"symbol": symbol, "size": size, "color": colour, "line": {"width": 2, "color": colour}},
            "customdata": [units.format_seconds(value)], "hovertemplate": f"%{{y}}, {name}: %{{customdata}}<extra></extra>",
        }
        for (name, _), value, symbol, size in zip(
            PERCENTILES, levels, ("circle", "line-ns-open", "diamond", "line-ns-open"), (13, 10, 8, 14), strict=True
        )
    ]  # fmt: skip
    return [*lines, *marks]


LEVELS = (*(level / 200 for level in range(1, 200)), 0.9965, 0.998, 0.999, 1.0)
"""Levels of the percentiles that are drawn, from 0 to 1."""
LAST = 3.7
"""Where the maximum is drawn. The 90th percentile is at 1, the 99th at 2 and the 99.9th at 3."""
MIN_WAIT_S = 1e-7
"""Shortest wait that is drawn. Shorter ones are drawn as this, because a log scale has no zero."""


def wait_distribution(rows: Sequence[Row], basis: Basis, styles: Mapping[str, Look]) -> Figure:
    """Draw the wait of a step over its percentile, one line per loader."""
    data, drawn = [], []
    for row in rows:
        waits = step_waits(row)
        if waits:
            values = [max(value, MIN_WAIT_S) for value in percentiles(waits, LEVELS)]
            texts = [
                f"{units.format_percent(level)} of the steps wait at most {units.format_seconds(value)}"
                for level, value in zip(LEVELS, values, strict=True)
            ]
            data.append(
                line(row.label, styles[row.label], [_nines(level) for level in LEVELS], values, texts, markers=False)
            )
            drawn += values
    return Figure(
        name="wait-distribution",
        title="Distribution of waits",
        about=(
            "Host time in next() by percentile: the longest wait of this share of the steps. A line that rises late means that few steps wait "
            "long: the loader delivers in bursts."
        ),
        basis=basis_sentence(
            rows, basis, "s", ("train_rows_per_s",), "the steps of all processes and epochs are pooled"
        ),
        data=data,
        layout={
            "xaxis": {
                "title": {"text": "share of steps with at most this wait"}, "range": [0, LAST],
                "tickvals": [*map(_nines, SHOWN), LAST], "ticktext": [*(f"{level * 100:.4g} %" for level in SHOWN), "all"],
            },
            "yaxis": {**log_span(drawn).axis, "title": {"text": "wait, log scale"}},
            "meta": {"form": "lines", "ticks": {"yaxis": "seconds"}},
        },
        x_text=lambda nines: units.format_percent(1.0 if nines == LAST else 1 - 10**-nines),
        y_text=units.format_seconds,
    )  # fmt: skip


SHOWN = (0.5, 0.9, 0.99, 0.999)


def _nines(level: float) -> float:
    """Return the position of a percentile. Each further nine of its level takes the same room, so that rare waits can be seen."""
    return LAST if level == 1 else -log10(1 - level)


def step_waits(row: Row) -> list[float]:
    """Return the waits of all steps of the row's training trials, in seconds, sorted."""
    return sorted(wait for trial in row.trials["train"] for wait in trial.step_wait_s or ())
