"""Renders a history as one HTML file that works offline: a table of trends, and a figure for each metric."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from feedrate.reports.analysis import trend_words
from feedrate.reports.analysis.changes import MIN_POINTS
from feedrate.reports.analysis.history import History, Series
from feedrate.reports.figures.figure import READING
from feedrate.reports.figures.trends import figure
from feedrate.reports.formats import history_text, pagekit


def render(history: History, *, made_at: datetime | None = None) -> str:
    """Return the HTML page.

    made_at: time printed in the footer. Default: now.
    """
    parts = [
        _part(number, setting.title, [series for series in all_series if len(series.points) >= MIN_POINTS])
        for number, (setting, all_series) in enumerate(history.by_setting.items())
    ]
    parts = [part for part in parts if part["rows"]]
    if short := [series for series in history.series if 1 < len(series.points) < MIN_POINTS]:
        rows = [_row(series) | {"without": series.setting.title} for series in short]
        parts.append(
            {"title": f"Series of fewer than {MIN_POINTS} runs, which are not judged", "rows": rows, "figures": []}
        )
    figures = [figure for part in parts for figure in part["figures"]]
    page: str = pagekit.template("history.html").render(
        **pagekit.one_file(made_at),
        answer=history_text.answer(history),
        parts=parts,
        notes=history_text.notes(history),
        how_to_read=READING,
        figures_json=pagekit.figures_json(figures),
    )
    return page


def _part(number: int, title: str, all_series: Sequence[Series]) -> dict[str, Any]:
    metrics = {series.metric.name: series.metric for series in all_series}
    loaders = sorted({series.loader for series in all_series})
    return {
        "title": title,
        "rows": [_row(series) for series in all_series],
        "figures": [
            figure(f"figure-{number}-{name}", [series for series in all_series if series.metric.name == name], loaders)
            for name in metrics
        ],
    }


def _row(series: Series) -> dict[str, Any]:
    return {
        "loader": series.loader,
        "metric": series.metric.title,
        "runs": len(series.points),
        "spark": history_text.sparkline([point.value for point in series.points]),
        "latest": trend_words.latest(series),
        "without": trend_words.without_change(series),
        "changes": [
            {"text": trend_words.sentence(series, change), "judgement": trend_words.judgement(series, change)}
            for change in series.changes
        ],
    }
