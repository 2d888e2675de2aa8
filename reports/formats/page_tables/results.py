"""The results table of a page. Its cells are short, and columns that say the same of every loader are folded into one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from feedrate.bench.results.stats import Estimate
from feedrate.reports.analysis.metrics import BY_NAME, METRICS
from feedrate.reports.analysis.summarize import Comparison, Row
from feedrate.reports.analysis.verdicts import NOT_KNOWN
from feedrate.reports.formats import table
from feedrate.reports.formats.first_screen.ratio_bar import RatioBar, ratio_bars

BASELINE = "baseline"
"""What the baseline's own row says in the column of ratios."""
RATE = "rows/s"
"""Unit that stands in a column's head, because its cells are the longest."""
_BY_TITLE = {metric.title: metric for metric in METRICS}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table."""

    title: str
    unit: str
    """Unit that stands in the head instead of the cells. Empty if the cells have it, or if there is none."""
    about: str
    """What the column means, as a sentence."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the table."""

    text: str
    full: str = ""
    """The whole text, if `text` is short for it."""
    value: float | None = None
    """Number to sort the column by. None if the cell has no number."""
    bar: RatioBar | None = None
    """Bar of a ratio to the baseline."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table."""

    loader: str
    """Label of the loader's row. Empty for a ceiling."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class ResultsTable:
    """The table as a page shows it."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    """A line for each loader, then the ceilings."""
    folded: tuple[tuple[Column, str], ...]
    """Columns that say the same of every loader, with what they say."""

    @property
    def explained(self) -> tuple[Column, ...]:
        """The columns that have an explanation, shown or folded."""
        return tuple(column for column in (*self.columns, *(column for column, _ in self.folded)) if column.about)

    @property
    def shortened(self) -> str:
        """Name what the cells say instead of a longer text: "not known". Empty if there is nothing."""
        cells = [cell for line in self.lines for cell in line.cells if cell.full]
        return " or ".join(sorted({cell.text for cell in cells}))


def results_table(comparison: Comparison, more: Sequence[tuple[str, Sequence[str]]] = ()) -> ResultsTable:
    """Return the table of a comparison. more: further columns as (title, cells), a cell for each loader and then each ceiling."""
    head, *body = table.cells(comparison)
    texts = {title: [line[number] for line in body] for number, title in enumerate(head)} | {
        k: list(v) for k, v in more
    }
    ratios = [_ratio(row) for row in comparison.rows]
    bars = ratio_bars(ratios)
    columns = {
        _column(title): [
            _cell(title, text, row, ratio, bar)
            for text, row, ratio, bar in zip_longest(column, comparison.rows, ratios, bars)
        ]
        for title, column in texts.items()
    }
    kept = {
        head[0],
        table.AGAINST,
        table.SHARE,
        *(BY_NAME[row.headline].title for row in comparison.rows if row.headline in BY_NAME),
    }
    folded = {
        column: said for column, cells in columns.items() if column.title not in kept and (said := _same(cells, comparison.rows))
    }  # fmt: skip
    shown = {column: cells for column, cells in columns.items() if column not in folded}
    labels = [row.label for row in comparison.rows]
    labels += [""] * len(comparison.ceilings)
    lines = zip(labels, zip(*shown.values(), strict=True), strict=True)
    return ResultsTable(tuple(shown), tuple(Line(label, cells) for label, cells in lines), tuple(folded.items()))


def _same(cells: Sequence[Cell], rows: Sequence[Row]) -> str:
    """Return what a column says of every loader with a result, if there are several and it says the same of all; else nothing."""
    said = [cell.full or cell.text for cell, row in zip(cells, rows, strict=False) if row.metrics]
    return said[0] if len(said) > 1 and len(set(said)) == 1 else ""


def _column(title: str) -> Column:
    metric = _BY_TITLE.get(title)
    about = metric.about if metric else table.ABOUT.get(title, "")
    return Column(title, RATE if metric and metric.unit == RATE else "", about)


def _cell(title: str, text: str, row: Row | None, ratio: Estimate | None, bar: RatioBar | None) -> Cell:
    metric = _BY_TITLE.get(title)
    if title == table.AGAINST:
        baseline = row is not None and row.loader == row.baseline
        return _shortened(BASELINE if baseline else text.replace(" (", "\n("), ratio.mean if ratio else None, bar)
    if title == table.SHARE:
        return _shortened(text, row.ceiling_fraction if row else None)
    if metric is None:
        return Cell(text)
    value = row.mean(metric.name) if row else None
    return _shortened(text.replace(f" {RATE}", "").replace(", ", ",\n"), value)


def _shortened(text: str, value: float | None, bar: RatioBar | None = None) -> Cell:
    """Return a cell that says "not known" instead of "not known: run more rounds"."""
    if text != NOT_KNOWN:
        return Cell(text, "", value, bar)
    return Cell(text.partition(":")[0], text, value, bar)


def _ratio(row: Row) -> Estimate | None:
    """Return a row's ratio to its baseline. That of the baseline itself is 1."""
    if row.loader == row.baseline and row.headline in row.metrics:
        return Estimate(1.0, None, None, 0)
    verdict = row.verdicts.get(row.headline)
    return verdict.change if verdict else None
