"""Prints a history as text: a table for each setting, with a sparkline and the changes of each loader and metric."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from feedrate.reports.analysis.changes import MIN_POINTS
from feedrate.reports.analysis.history import History, Series
from feedrate.reports.analysis.trend_words import arrow, judgement, latest, sentence, size, without_change
from feedrate.reports.formats.terminal.columns import Column, print_columns
from feedrate.reports.formats.terminal.paragraphs import print_paragraph

if TYPE_CHECKING:
    from rich.console import Console

BARS = "▁▂▃▄▅▆▇█"
"""Characters of a sparkline, lowest first."""
WIDTH = 32
"""Maximum length of a sparkline, in characters. A longer series is averaged over neighbours."""
MIN_SPAN = 0.2
"""Least difference between the lowest and the highest bar, as a share of the largest value."""
STYLES = {"better": "green", "worse": "red", "changed": "yellow"}
"""Colour of a change by its judgement."""


def print_history(history: History, console: Console) -> None:
    """Print the tables of a history to a console, and below each its changes. Series with a single run are only counted."""
    print_paragraph(console, answer(history), style="bold")
    for setting, all_series in history.by_setting.items():
        shown = [series for series in all_series if len(series.points) > 1]
        if not shown:
            continue
        console.print()
        print_paragraph(console, setting.title)
        print_columns(console, _columns(shown))
        for series in shown:
            for change in series.changes:
                text = f"{series.loader}, {series.metric.title}: {sentence(series, change)}"
                print_paragraph(console, text, style=STYLES[judgement(series, change)])
    console.print()
    for note in notes(history):
        print_paragraph(console, note)


def _columns(all_series: Sequence[Series]) -> list[Column]:
    return [
        Column(title="Loader", cells=[series.loader for series in all_series]),
        Column(title="Metric", cells=[series.metric.title for series in all_series], left=True),
        Column(title="Runs", cells=[str(len(series.points)) for series in all_series]),
        Column(title="Trend", cells=[sparkline(_values(series)) for series in all_series], left=True, rank=1),
        Column(title="Latest", cells=[latest(series) for series in all_series]),
        Column(title="Change", cells=[_change(series) for series in all_series], left=True),
    ]


def _change(series: Series) -> str:
    """Return the sizes of the changes; if there is none, whether the series is steady."""
    if len(series.points) < MIN_POINTS:
        return "not judged"
    changes = [f"{arrow(change)} {size(series, change)}" for change in series.changes]
    return ", ".join(changes) or without_change(series)


def answer(history: History) -> str:
    """Return the result in one sentence."""
    changes = [(series, change) for series in history.series for change in series.changes]
    total = f"{history.runs:,} run{'s' * (history.runs != 1)}, {history.trials:,} trials"
    if not any(len(series.points) >= MIN_POINTS for series in history.series):
        return f"{total}: no change can be judged, because no series has {MIN_POINTS} runs or more."
    if not changes:
        return f"{total}: no change beyond noise."
    worse = sum(judgement(series, change) == "worse" for series, change in changes)
    return f"{total}: {len(changes)} change{'s' * (len(changes) != 1)}, {worse} for the worse."


def notes(history: History) -> list[str]:
    """Return sentences on what the tables leave out."""
    single = sum(len(series.points) == 1 for series in history.series)
    return (
        [f"{single} series {'has' if single == 1 else 'have'} only one run so far and no trend yet."] if single else []
    )


def sparkline(values: Sequence[float]) -> str:
    """Draw values as a line of bars, scaled from minimum to maximum, but to MIN_SPAN at least: noise looks like noise."""
    if len(values) > WIDTH:
        edges = [len(values) * i // WIDTH for i in range(WIDTH + 1)]
        values = [fmean(values[a:b]) for a, b in pairwise(edges)]
    low, high = min(values), max(values)
    if high == low:
        return BARS[3] * len(values)
    span = max(high - low, MIN_SPAN * max(abs(high), abs(low)))
    middle = (low + high) / 2
    return "".join(BARS[round(((value - middle) / span + 0.5) * (len(BARS) - 1))] for value in values)


def _values(series: Series) -> list[float]:
    return [point.value for point in series.points]
