"""The page of a loader: its speed and AUC in every run, newest first, with the versions that it ran with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.archive import Moment
from feedrate.reports.analysis.changes import MIN_POINTS
from feedrate.reports.analysis.history import Point, Series, Setting
from feedrate.reports.analysis.metrics import BY_NAME, Metric
from feedrate.reports.figures.figure import Figure
from feedrate.reports.figures.trends import figure
from feedrate.reports.names import plain

METRICS = ("train_rows_per_s", "load_rows_per_s", "auc")
"""Metrics of the page."""


def by_loader(all_series: Sequence[Series]) -> dict[str, list[Series]]:
    """Return the series that loaders' pages show, by loader."""
    groups: dict[str, list[Series]] = {}
    for series in all_series:
        if series.metric.name in METRICS:
            groups.setdefault(series.loader, []).append(series)
    return dict(sorted(groups.items()))


def parts(all_series: Sequence[Series], loaders: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what the template shows: a part for each setting with MIN_POINTS runs or more, and one for all other settings.

    loaders: all loaders of the site, which fix the colours.
    """
    groups: dict[Setting, list[Series]] = {}
    for series in all_series:
        groups.setdefault(series.setting, []).append(series)
    short = [group for group in groups.values() if not _is_drawn(group)]
    for number, (setting, group) in enumerate(groups.items()):
        if _is_drawn(group):
            yield _part(setting.title, [group], list(_figures(number, group, loaders)))
    if short:
        yield _part(f"Settings with fewer than {MIN_POINTS} runs", short, [])


def _is_drawn(group: Sequence[Series]) -> bool:
    return any(len(series.points) >= MIN_POINTS for series in group)


def _part(title: str, groups: Sequence[Sequence[Series]], figures: list[Figure]) -> dict[str, Any]:
    metrics = [BY_NAME[name] for name in METRICS if any(s.metric.name == name for group in groups for s in group)]
    rows = [
        row
        for _, row in sorted(
            (pair for group in groups for pair in _rows(group, metrics)), key=itemgetter(0), reverse=True
        )
    ]
    titles = [metric.title for metric in metrics]
    return {
        "title": title,
        "head": ["Date and commit", *titles, "Setting", "Backend", "feedrate", "torch"],
        "rows": rows,
        "figures": figures,
    }


def _rows(
    group: Sequence[Series], metrics: Sequence[Metric]
) -> Iterator[tuple[Moment, list[tuple[str, float | None]]]]:
    """Yield each moment with its cells: their text, and the number to sort a metric's column by."""
    by_metric = {series.metric.name: series for series in group}
    for moment in {point.moment for series in group for point in series.points}:
        points = {
            name: next((point for point in series.points if point.moment == moment), None)
            for name, series in by_metric.items()
        }
        versions = next(point for point in points.values() if point is not None).versions
        found = [points.get(metric.name) for metric in metrics]
        cells = [_cell(metric, point) for metric, point in zip(metrics, found, strict=True)]
        named = [versions.get(name, "") or "-" for name in ("backend", "feedrate", "torch")]
        texts = (f"{moment.date}, {moment.commit}", *cells, group[0].setting.title, *named)
        values = [None, *(point.value if point else None for point in found), None, *([None] * len(named))]
        yield moment, [(plain(text), value) for text, value in zip(texts, values, strict=True)]


def _cell(metric: Metric, point: Point | None) -> str:
    if point is None:
        return "-"
    if metric.unit != "rows/s":
        return metric.text(point.value)
    return verdicts.figure(point.estimate, metric.text).partition(":")[0]


def _figures(number: int, group: Sequence[Series], loaders: Sequence[str]) -> Iterator[Figure]:
    for series in group:
        if len(series.points) >= MIN_POINTS:
            yield figure(f"figure-{number}-{series.metric.name}", [series], loaders)
