"""Prints a comparison to a terminal: the answers, the fewest columns that support it, and what a reader must know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from feedrate.reports import units
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.answers.concerns import concerns
from feedrate.reports.analysis.answers.open_verdicts import leaders, open_verdicts
from feedrate.reports.analysis.answers.rank_spread import scaling
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.summarize import Comparison, Row, Samples
from feedrate.reports.formats import sentences, table
from feedrate.reports.formats.terminal.answers import print_answers
from feedrate.reports.formats.terminal.columns import TABLE_WIDTH, Column, print_columns
from feedrate.reports.formats.terminal.paragraphs import print_paragraph

if TYPE_CHECKING:
    from rich.console import Console

BASELINE = "baseline"
STYLES = {"faster": "green", "slower": "red", "undecided": "yellow"}
"""Colour of a verdict by its word."""
RATES = ("train_rows_per_s", "load_rows_per_s")
"""Metrics by which rows are ranked."""
MAX_TITLE = 24
"""Longest name of a baseline that stands in a head, in characters."""


def print_summary(comparison: Comparison, console: Console) -> None:
    """Print the answers, a table of few columns and the notes that a reader must know. `print_all` prints the rest."""
    print_answers(comparison, console)
    console.print()
    print_columns(console, summary_columns(comparison))
    console.print()
    for note in _notes(comparison):
        print_paragraph(console, note)
    wrong = [*sentences.cautions(comparison), *(concern.text for concern in concerns(comparison))]
    print_paragraph(console, "What is wrong?" if wrong else "What is wrong? Nothing stands out.", style="bold")
    for line in wrong:
        print_paragraph(console, f"- {line}")
    print_paragraph(console, "All columns, backends and causes of waiting: `feedrate report RUN --wide`, or the page.")


def print_all(comparison: Comparison, console: Console) -> None:
    """Print the answers, all columns in as many tables as the width needs, and all notes."""
    print_answers(comparison, console)
    cells = table.cells(comparison)
    for head, *lines in table.fitting(cells, console.width) if console.width >= TABLE_WIDTH else [cells]:
        console.print()
        print_columns(
            console, [Column(title=title, cells=[line[number] for line in lines]) for number, title in enumerate(head)]
        )
    console.print()
    for note in sentences.notes(comparison, leaders(comparison)):
        print_paragraph(console, note)


def summary_columns(comparison: Comparison) -> list[Column]:
    """Return the columns loader, rate, verdict, share of the ceiling, stall and AUC. Those without any value are left out."""
    rows, ceilings = comparison.rows, list(comparison.ceilings.items())
    names = [row.label for row in rows] + [table.ceiling_label(comparison, key) for key, _ in ceilings]
    columns = [Column(title="Loader", cells=names)]
    for name in RATES:
        if any(row.headline == name for row in rows) or (name == RATES[0] and ceilings):
            columns.append(_rates(name, rows, [ceiling for _, ceiling in ceilings]))
            columns += _verdicts(name, rows, len(ceilings))
    if any(row.share for row in rows):
        shares = [_percent(verdicts.share_text(row.share, row.ceiling)) for row in rows]
        columns.append(Column(title="Of ceiling", unit="%", cells=[*shares, *["100"] * len(ceilings)]))
    for metric, unit, text in (
        ("stall_fraction", "%", lambda value: _percent(units.format_percent(value))),
        ("auc", "", units.format_auc),
    ):
        values = [row.mean(metric) for row in rows]
        if any(value is not None for value in values):
            cells = [text(value) for value in values] + [units.NONE] * len(ceilings)
            columns.append(Column(title=BY_NAME[metric].title, unit=unit, cells=cells))
    return columns


def _rates(name: str, rows: Sequence[Row], ceilings: Sequence[Samples]) -> Column:
    samples: list[Samples | None] = [row.metrics.get(name) if row.headline == name else None for row in rows]
    samples += ceilings if name == RATES[0] else [None] * len(ceilings)
    means = [sample.estimate.mean for sample in samples if sample is not None]
    factor, prefix = units.common_prefix(means)

    def rate(value: float | None) -> str:
        return units.NONE if value is None else units.format_in(value, factor)

    cells = []
    for number, sample in enumerate(samples):
        if sample is None:
            cells.append(_without_result(rows[number], name) if number < len(rows) else units.NONE)
        else:
            cells.append(verdicts.rate_text(sample, rate))
    return Column(title=BY_NAME[name].title, unit=f"{prefix}rows/s", cells=cells)


def _without_result(row: Row, name: str) -> str:
    states = {trial.status for trial in row.not_ok if trial.spec.mode == BY_NAME[name].modes[0]}
    return ", ".join(sorted(states)) or units.NONE


def _verdicts(name: str, rows: Sequence[Row], n_ceilings: int) -> Iterator[Column]:
    """Yield a column with the verdict on this rate, and one with its interval, if any row has one."""
    judged = [row for row in rows if row.headline == name and name in row.verdicts]
    if not judged:
        return
    baselines = {row.baseline for row in judged if row.baseline}
    title = baselines.pop() if len(baselines) == 1 else BASELINE
    title = title if len(title) <= MAX_TITLE else BASELINE
    words, styles, intervals = [], [], []
    for row in rows:
        word, text, interval = _verdict(row, name)
        words.append(text)
        intervals.append(interval)
        styles.append(STYLES.get(word, ""))
    rest = [units.NONE] * n_ceilings
    yield Column(title="Against", unit=title, joint=" ", cells=[*words, *rest], styles=[*styles, *[""] * n_ceilings])
    if any(interval != units.NONE for interval in intervals):
        yield Column(title="99 % interval", cells=[*intervals, *rest], rank=1, under=True)


def _verdict(row: Row, name: str) -> tuple[str, str, str]:
    """Return the word of a verdict, the cell that holds it and the change, and its interval."""
    verdict = row.verdicts.get(name) if row.headline == name else None
    if verdict is None:
        is_baseline = row.loader == row.baseline and row.headline == name and name in row.metrics
        return "", BASELINE if is_baseline else units.NONE, units.NONE
    metric = BY_NAME[name]
    word, change = verdicts.word(verdict, metric), verdicts.change(verdict, metric)
    size, _, interval = change.partition(" (")
    if word == verdicts.ONE_ROUND:
        return word, f"{size} (n = 1)", units.NONE
    if word in ("faster", "slower"):
        return word, f"{word}: {size}", interval.removesuffix(")") or units.NONE
    interval = interval.removesuffix(")") or size.partition(":")[0]
    return word, word, interval


def _notes(comparison: Comparison) -> Iterator[str]:
    """Yield what a reader of the table must know, and the verdicts that are open, with the rounds that they need."""
    models = (trial.spec.model for _, run in comparison.runs for trial in run.trials)
    if any(model.task != "mlp" for model in models):  # who did not ask for a task knows the notebook's model
        yield sentences.task(comparison)
    longest = [row.baseline for row in comparison.rows if row.baseline and len(row.baseline) > MAX_TITLE]
    yield from dict.fromkeys(f"The baseline is {name}." for name in longest)
    loaders: dict[str, list[str]] = {}
    answered = leaders(comparison)
    for row in comparison.rows:
        for sentence in (*open_verdicts(row, comparison, answered), sentences.one_seed(row), scaling(row)):
            loaders.setdefault(sentence, []).append(row.label)
    yield from (f"{', '.join(labels)}: {sentence}" for sentence, labels in loaders.items() if sentence)


def _percent(text: str) -> str:
    return text.partition(":")[0].removesuffix(" %")
