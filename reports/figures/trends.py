"""Draws a metric over many runs and marks its changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from feedrate.reports.analysis import trend_words
from feedrate.reports.analysis.archive import Moment
from feedrate.reports.analysis.history import Series
from feedrate.reports.figures.figure import COLOURS, DASHES, STUDENT, Figure, error_bars
from feedrate.reports.names import short

TICKS = 4
"""Maximum number of labelled runs on the x axis."""


def figure(name: str, all_series: Sequence[Series]) -> Figure:
    """Draw one line for each loader over the runs in order. A large open circle marks the first run of each new level.

    all_series: series of one metric in one setting, at least one.
    """
    moments = sorted({point.moment for series in all_series for point in series.points})
    positions = {moment: number + 1 for number, moment in enumerate(moments)}
    names = [f"{short(moment.commit)}, {moment.date}" for moment in moments]
    metric = all_series[0].metric
    labelled = moments[:: -(-len(moments) // TICKS)]
    data: list[dict[str, Any]] = []
    for number, series in enumerate(all_series):
        data.append(_line(series, number, positions))
        if series.changes:
            data.append(_changes(series, data[-1]))
    return Figure(
        name=name,
        title=metric.title,
        about=metric.about,
        basis=_basis(all_series),
        data=data,
        layout={
            "xaxis": {
                "title": {"text": "run, oldest first: commit and date"}, "tickvals": [positions[moment] for moment in labelled],
                "tickangle": 0, "ticktext": [f"{escape(short(moment.commit))}<br>{moment.date}" for moment in labelled],
            },
            "yaxis": _axis(metric.unit),
            "showlegend": True,
            "shapes": [
                {
                    "type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1,
                    "line": {"dash": "dot", "width": 1, "color": COLOURS[7]},
                }
                for series in all_series
                for x in (positions[series.points[change.at].moment] for change in series.changes)
            ],
        },
        x_text=lambda number: names[number - 1],
        y_text=metric.text,
    )  # fmt: skip


def _line(series: Series, number: int, positions: Mapping[Moment, int]) -> dict[str, Any]:
    colour, loader = COLOURS[number % len(COLOURS)], escape(series.loader)
    estimates = [point.estimate for point in series.points]
    return {
        "type": "scatter", "mode": "lines+markers", "name": loader, "x": [positions[point.moment] for point in series.points],
        "y": [point.value for point in series.points], "error_y": error_bars(estimates, colour), "meta": {"n": [point.n for point in series.points]},
        "line": {"color": colour, "width": 1.5, "dash": DASHES[number % len(DASHES)]}, "marker": {"size": 5, "symbol": number},
        "customdata": [
            f"{escape(series.metric.text(point.value))}, {escape(short(point.moment.commit))}, {point.moment.date}, n = {point.n}"
            for point in series.points
        ],
        "hovertemplate": f"{loader}: %{{customdata}}<extra></extra>",
    }  # fmt: skip


def _changes(series: Series, line: dict[str, Any]) -> dict[str, Any]:
    """Return the marks of a series' changes, which lie on its line."""
    return {
        "type": "scatter", "mode": "markers", "showlegend": False, "name": f"{line['name']}: a new level from here on",
        "x": [line["x"][change.at] for change in series.changes], "y": [line["y"][change.at] for change in series.changes],
        "marker": {"size": 16, "symbol": "circle-open", "color": line["line"]["color"], "line": {"width": 3}},
        "hovertext": [escape(trend_words.sentence(series, change)) for change in series.changes], "hoverinfo": "text",
    }  # fmt: skip


def _basis(all_series: Sequence[Series]) -> str:
    counts = {point.n for series in all_series for point in series.points}
    setting, unit = all_series[0].setting, all_series[0].metric.unit
    span = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{max(counts)}"
    bars = f"bars: {STUDENT}" if max(counts) > 1 else "no interval: only one trial"
    return (
        f"Unit: {'share, 0 to 1' if unit == '1' else unit}; n = {span} trial{'s' * (max(counts) > 1)} per point; {bars}; "
        f"page cache {setting.cache}; {short(setting.place.machine)}."
    )


def _axis(unit: str) -> dict[str, Any]:
    if unit == "1":
        return {"title": {"text": "share"}, "rangemode": "nonnegative"}
    return {"title": {"text": unit}, "exponentformat": "SI", "rangemode": "tozero"}
