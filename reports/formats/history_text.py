"""Prints a history as text: a table for each setting, with a sparkline and the changes of each loader and metric."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from feedrate.reports.analysis.changes import MIN_POINTS
from feedrate.reports.analysis.history import History, Series
from feedrate.reports.analysis.trend_words import judgement, latest, sentence, without_change
from feedrate.reports.names import plain

if TYPE_CHECKING:
    from rich.console import Console

BARS = "▁▂▃▄▅▆▇█"
"""Characters of a sparkline, lowest first."""
WIDTH = 32
"""Maximum length of a sparkline, in characters. A longer series is averaged over neighbours."""
STYLES = {"better": "green", "worse": "red", "changed": "yellow"}
"""Colour of a change by its judgement."""


def print_history(history: History, console: Console) -> None:
    """Print the tables of a history to a console. Series with a single run are only counted in a note."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    console.print(Text(answer(history), style="bold"))
    for setting, all_series in history.by_setting.items():
        shown = [series for series in all_series if len(series.points) > 1]
        if not shown:
            continue
        console.print()
        console.print(Text(plain(setting.title)), soft_wrap=True)
        table = Table("Loader", "Metric", "Runs", "Trend", "Latest", "Change", box=SIMPLE_HEAD, pad_edge=False)
        for series in shown:
            row = [
                series.loader,
                series.metric.title,
                str(len(series.points)),
                sparkline(_values(series)),
                latest(series),
            ]
            changes = Text("\n").join(
                Text(sentence(series, change), style=STYLES[judgement(series, change)]) for change in series.changes
            )
            table.add_row(
                *(Text(plain(cell)) for cell in row),
                changes if series.changes else Text(without_change(series), style="dim"),
            )
        console.print(table)
    for note in notes(history):
        console.print(plain(note), markup=False, soft_wrap=True)


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
    """Draw values as a line of bars. It is scaled from minimum to maximum, so it shows shape but not size."""
    if len(values) > WIDTH:
        edges = [len(values) * i // WIDTH for i in range(WIDTH + 1)]
        values = [fmean(values[a:b]) for a, b in pairwise(edges)]
    low, high = min(values), max(values)
    if high == low:
        return BARS[3] * len(values)
    return "".join(BARS[round((value - low) / (high - low) * (len(BARS) - 1))] for value in values)


def _values(series: Series) -> list[float]:
    return [point.value for point in series.points]
