"""Draws a metric over many runs and marks its changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from feedrate.reports.analysis import trend_words
from feedrate.reports.analysis.archive import Moment
from feedrate.reports.analysis.history import Series
from feedrate.reports.analysis.run_comparison import EFFECTS
from feedrate.reports.figures.figure import Figure
from feedrate.reports.figures.palette import NEUTRAL, Look, look
from feedrate.reports.figures.spans import Span, arrows, cut_bars, ends, linear_span
from feedrate.reports.names import short

MIN_EFFECTS = 20
"""Shortest axis of a share, in smallest changes that matter."""
TICKS = 4
"""Maximum number of labelled runs on the x axis."""


def figure(name: str, all_series: Sequence[Series], loaders: Sequence[str]) -> Figure:
    """Draw one line for each loader over the runs in order. A large open circle marks the first run of each new level.

    all_series: series of one metric in one setting, at least one. loaders: all loaders of the page, which fix the colours.
    """
    moments = sorted({point.moment for series in all_series for point in series.points})
    positions = {moment: number + 1 for number, moment in enumerate(moments)}
    names = [f"{short(moment.commit)}, {moment.date}" for moment in moments]
    metric = all_series[0].metric
    labelled = moments[:: -(-len(moments) // TICKS)]
    span = _span(all_series)
    data: list[dict[str, Any]] = []
    for series in all_series:
        drawn = _line(series, look(loaders.index(series.loader)), positions, span)
        data += drawn
        if series.changes:
            data.append(_changes(series, drawn[0]))
    return Figure(
        name=name,
        title=metric.title,
        about=metric.about,
        basis=_basis(all_series),
        data=data,
        layout={
            "xaxis": {
                "range": [0.7, len(moments) + 0.3],
                "title": {"text": "run, oldest first: commit and date"}, "tickvals": [positions[moment] for moment in labelled],
                "tickangle": 0, "ticktext": [f"{escape(short(moment.commit))}<br>{moment.date}" for moment in labelled],
            },
            "yaxis": {"title": {"text": "share" if metric.unit == "1" else metric.unit}, **span.axis},
            "meta": {"form": "lines", "ticks": {"yaxis": KINDS.get(metric.unit, "number")}},
            "shapes": [
                {
                    "type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1,
                    "line": {"dash": "dot", "width": 1, "color": NEUTRAL},
                }
                for series in all_series
                for x in (positions[series.points[change.at].moment] for change in series.changes)
            ],
        },
        x_text=lambda number: names[number - 1],
        y_text=metric.text,
    )  # fmt: skip


KINDS = {"rows/s": "count", "B": "bytes", "s": "seconds", "1": "number"}
"""Kind of the axis' numbers, by the metric's unit."""


def _line(series: Series, style: Look, positions: Mapping[Moment, int], span: Span) -> list[dict[str, Any]]:
    loader = escape(series.loader)
    estimates = [point.estimate for point in series.points]
    x = [positions[point.moment] for point in series.points]
    trace = {
        "type": "scatter", "mode": "lines+markers", "name": loader, "x": x, "y": [point.value for point in series.points],
        "error_y": cut_bars(estimates, span, style.colour),
        "meta": {"loader": loader, "n": [point.n for point in series.points], "y_ends": ends(estimates)},
        "line": {"color": style.colour, "width": 1.5, "dash": style.dash}, "marker": {"size": 6, "symbol": style.symbol, "color": style.colour},
        "customdata": [
            f"{escape(series.metric.text(point.value))}, {escape(short(point.moment.commit))}, {point.moment.date}, n = {point.n}"
            for point in series.points
        ],
        "hovertemplate": f"{loader}: %{{customdata}}<extra></extra>",
    }  # fmt: skip
    cut = arrows(estimates, x, [style.colour] * len(x), span, "y")
    return [trace, *({**arrow, "meta": {"loader": loader, "pale": True}} for arrow in cut)]


def _changes(series: Series, line: dict[str, Any]) -> dict[str, Any]:
    """Return the marks of a series' changes, which lie on its line."""
    return {
        "type": "scatter", "mode": "markers", "name": f"{line['name']}: a new level from here on",
        "x": [line["x"][change.at] for change in series.changes], "y": [line["y"][change.at] for change in series.changes],
        "marker": {"size": 16, "symbol": "circle-open", "color": line["line"]["color"], "line": {"width": 3}},
        "hovertext": [escape(trend_words.sentence(series, change)) for change in series.changes], "hoverinfo": "text",
        "meta": {"loader": line["name"], "pale": True},
    }  # fmt: skip


def _basis(all_series: Sequence[Series]) -> str:
    counts = {point.n for series in all_series for point in series.points}
    setting, unit = all_series[0].setting, all_series[0].metric.unit
    span = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{max(counts)}"
    bars = "" if max(counts) > 1 else "no interval: only one trial; "
    return (
        f"Unit: {'share, 0 to 1' if unit == '1' else unit}; n = {span} trial{'s' * (max(counts) > 1)} per point; {bars}"
        f"page cache {setting.cache}; {short(setting.place.machine)}."
    )


def _span(all_series: Sequence[Series]) -> Span:
    """Return an axis on which a change that matters little looks little: rates from 0, shares over MIN_EFFECTS effects."""
    points = [point for series in all_series for point in series.points]
    values, estimates = [point.value for point in points], [point.estimate for point in points]
    metric = all_series[0].metric
    if metric.unit != "1":
        return linear_span(values, estimates)
    span = linear_span(values, estimates, from_zero=False, least=MIN_EFFECTS * EFFECTS.get(metric.name, 0.01))
    return replace(span, low=max(span.low, 0.0))
