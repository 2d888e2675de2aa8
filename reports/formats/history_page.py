"""A history as one HTML file that works offline: a table of trends, and a figure for each metric with its changes marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from markupsafe import Markup

from feedrate.reports.analysis.archive import Moment
from feedrate.reports.analysis.history import History, Series
from feedrate.reports.figures.figure import COLOURS, DASHES, STUDENT, Figure, error_bars
from feedrate.reports.formats import history_text, pagekit
from feedrate.reports.names import short

TICKS = 4
"""Labelled runs on an axis."""


def render(history: History, *, made_at: datetime | None = None) -> str:
    """The page. made_at is printed at its foot."""
    plotly, js = pagekit.plotly(), pagekit.page_script("page.js")
    parts = [
        _part(number, setting.title, [series for series in found if len(series.points) > 1])
        for number, (setting, found) in enumerate(history.by_setting.items())
    ]
    parts = [part for part in parts if part["rows"]]
    drawn = [figure for part in parts for figure in part["figures"]]
    page: str = pagekit.template("history.html").render(
        policy=pagekit.policy_of_one_file(plotly, js),
        answer=history_text.answer(history),
        parts=parts,
        notes=history_text.notes(history),
        figures_json=pagekit.script_json([{"name": f.name, "data": f.data, "layout": f.layout} for f in drawn]),
        made_at=(made_at or datetime.now(UTC)).isoformat(timespec="seconds"),
        css=Markup(pagekit.page_file("page.css")),
        js=Markup(js),
        plotly=Markup(plotly),
    )
    return page


def _part(number: int, title: str, found: Sequence[Series]) -> dict[str, Any]:
    metrics = {series.metric.name: series.metric for series in found}
    return {
        "title": title,
        "rows": [_row(series) for series in found],
        "figures": [
            figure(f"figure-{number}-{name}", [series for series in found if series.metric.name == name])
            for name in metrics
        ],
    }


def _row(series: Series) -> dict[str, Any]:
    return {
        "loader": series.loader,
        "metric": series.metric.title,
        "runs": len(series.points),
        "spark": history_text.sparkline([point.value for point in series.points]),
        "latest": history_text.latest(series),
        "without": history_text.without_change(series),
        "changes": [
            {"text": history_text.sentence(series, change), "judgement": history_text.judgement(series, change)}
            for change in series.changes
        ],
    }


def figure(name: str, found: Sequence[Series]) -> Figure:
    """A line for each loader over the runs in order; a large open mark at the first run of each new level."""
    moments = sorted({point.moment for series in found for point in series.points})
    at = {moment: number + 1 for number, moment in enumerate(moments)}
    names = [f"{short(moment.commit)}, {moment.date}" for moment in moments]
    metric = found[0].metric
    labelled = moments[:: -(-len(moments) // TICKS)]
    data: list[dict[str, Any]] = []
    for number, series in enumerate(found):
        data.append(_line(series, number, at))
        if series.changes:
            data.append(_changes(series, data[-1]))
    return Figure(
        name=name,
        title=metric.title,
        about=metric.about,
        basis=_basis(found),
        data=data,
        layout={
            "xaxis": {
                "title": {"text": "run, oldest first: commit and date"}, "tickvals": [at[moment] for moment in labelled],
                "tickangle": 0, "ticktext": [f"{escape(short(moment.commit))}<br>{moment.date}" for moment in labelled],
            },
            "yaxis": _axis(metric.unit),
            "showlegend": True,
            "shapes": [
                {
                    "type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1,
                    "line": {"dash": "dot", "width": 1, "color": COLOURS[7]},
                }
                for series in found
                for x in (at[series.points[change.at].moment] for change in series.changes)
            ],
        },
        x_text=lambda number: names[number - 1],
        y_text=metric.text,
    )  # fmt: skip


def _line(series: Series, number: int, at: Mapping[Moment, int]) -> dict[str, Any]:
    colour, loader = COLOURS[number % len(COLOURS)], escape(series.loader)
    estimates = [point.estimate for point in series.points]
    return {
        "type": "scatter", "mode": "lines+markers", "name": loader, "x": [at[point.moment] for point in series.points],
        "y": [point.value for point in series.points], "error_y": error_bars(estimates, colour), "meta": {"n": [point.n for point in series.points]},
        "line": {"color": colour, "width": 1.5, "dash": DASHES[number % len(DASHES)]}, "marker": {"size": 5, "symbol": number},
        "customdata": [
            f"{escape(series.metric.text(point.value))}, {escape(short(point.moment.commit))}, {point.moment.date}, n = {point.n}"
            for point in series.points
        ],
        "hovertemplate": f"{loader}: %{{customdata}}<extra></extra>",
    }  # fmt: skip


def _changes(series: Series, line: dict[str, Any]) -> dict[str, Any]:
    """Marks upon the series' own line."""
    return {
        "type": "scatter", "mode": "markers", "showlegend": False, "name": f"{line['name']}: a new level from here on",
        "x": [line["x"][change.at] for change in series.changes], "y": [line["y"][change.at] for change in series.changes],
        "marker": {"size": 16, "symbol": "circle-open", "color": line["line"]["color"], "line": {"width": 3}},
        "hovertext": [escape(history_text.sentence(series, change)) for change in series.changes], "hoverinfo": "text",
    }  # fmt: skip


def _basis(found: Sequence[Series]) -> str:
    counts = {point.n for series in found for point in series.points}
    setting, unit = found[0].setting, found[0].metric.unit
    span = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{max(counts)}"
    bars = f"bars: {STUDENT}" if max(counts) > 1 else "no interval: one trial"
    return (
        f"Unit: {'share, 0 to 1' if unit == '1' else unit}; n = {span} trial{'s' * (max(counts) > 1)} a point; {bars}; "
        f"page cache {setting.cache}; {short(setting.place.machine)}."
    )


def _axis(unit: str) -> dict[str, Any]:
    if unit == "1":
        return {"title": {"text": "share"}, "rangemode": "nonnegative"}
    return {"title": {"text": unit}, "exponentformat": "SI", "rangemode": "tozero"}
