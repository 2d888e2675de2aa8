"""Prints the verdicts of `feedrate compare`: a table for each pair of loaders and batch size, a line for each quantity."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from feedrate.bench.results.record import RunRecord
from feedrate.bench.results.settings import settings_in_force
from feedrate.reports import units
from feedrate.reports.analysis.answers.open_verdicts import RowKey, more_rounds
from feedrate.reports.analysis.answers.rounds import rounds_to_judge
from feedrate.reports.analysis.run_comparison import Line, Side, line_samples
from feedrate.reports.analysis.verdicts import change, smallest_visible, word
from feedrate.reports.formats.terminal.columns import Column, print_columns
from feedrate.reports.formats.terminal.paragraphs import print_paragraph
from feedrate.reports.formats.terminal.summary import RATES, STYLES

if TYPE_CHECKING:
    from rich.console import Console


def print_verdicts(
    base: Side,
    head: Side,
    lines: Sequence[Line],
    console: Console,
    *,
    wide: bool = False,
    answered: Collection[RowKey] = (),
) -> None:
    """Print the verdicts, and the settings of both loaders side by side.

    Columns that a reader can do without are left out if the console is too narrow for them.
    wide: leave none out, but print blocks instead of a table if they do not fit.
    answered: loaders whose order the reader has been told how to settle. It is not said again.
    """
    groups: dict[tuple[str, str, int], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.base, line.head, line.batch_size), []).append(line)
    for (base_loader, head_loader, size), group in groups.items():
        name = head_loader if head_loader == base_loader else f"{head_loader} against {base_loader}"
        print_paragraph(console, f"{name}, batch size {size:,}", style="bold")
        columns = _columns(group)
        print_columns(console, [replace(column, rank=0) for column in columns] if wide else columns)
        for line in _without_answered(group, answered if base.record == head.record else ()):
            if sentence := _to_settle(base.record, head.record, line):
                print_paragraph(console, sentence)
        console.print()
        settings = [_settings(base.record, base_loader, size), _settings(head.record, head_loader, size)]
        if names := list(dict.fromkeys(name for values in settings for name in values)):
            cells = [[values.get(name, units.NONE) for name in names] for values in settings]
            sides = [
                Column(title=title, cells=column, left=True)
                for title, column in zip(("Base", "Head"), cells, strict=True)
            ]
            print_columns(console, [Column(title="Setting in force", cells=names), *sides])
            console.print()


def _settings(record: RunRecord, loader: str, size: int) -> dict[str, str]:
    trials = [trial for trial in record.trials if (trial.spec.loader, trial.spec.batch_size) == (loader, size)]
    in_force = settings_in_force(trial for trial in trials if trial.status == "ok")
    return {name: units.format_setting(value) for name, value in in_force.items()}


def _columns(lines: Sequence[Line]) -> list[Column]:
    words = [word(line.verdict, line.metric) for line in lines]
    return [
        Column(title="Quantity", cells=[line.metric.title for line in lines]),
        Column(title="Base", cells=[line.metric.text(line.base_mean) for line in lines], rank=1),
        Column(title="Head", cells=[line.metric.text(line.head_mean) for line in lines], rank=1),
        Column(title="Change (99 % interval)", cells=[_change(line) for line in lines]),
        Column(title="Verdict", cells=words, styles=[STYLES.get(name, "") for name in words], left=True),
        Column(title="Visible from", cells=[_visible(line) for line in lines], rank=2),
        Column(title="n", cells=[str(line.verdict.change.n) for line in lines], rank=2),
    ]


def _change(line: Line) -> str:
    return change(line.verdict, line.metric).partition(":")[0]


def _visible(line: Line) -> str:
    return smallest_visible(line.verdict, line.metric).partition(":")[0]


def _without_answered(lines: Sequence[Line], answered: Collection[RowKey]) -> list[Line]:
    """Leave out the line of the rate by which loaders are ranked if both are among those that were answered."""
    ranked = next((name for name in RATES if any(line.metric.name == name for line in lines)), "")
    keys = {(size, loader) for _, size, loader in answered}
    return [
        line
        for line in lines
        if line.metric.name != ranked or not {(line.batch_size, line.base), (line.batch_size, line.head)} <= keys
    ]


def _to_settle(base: RunRecord, head: RunRecord, line: Line) -> str:
    """Return how many more rounds would settle an open verdict on a rate; empty for any other line."""
    verdict = line.verdict
    if line.metric.unit != "rows/s" or verdict.direction != "inconclusive":
        return ""
    if verdict.change.low is None:
        return f"{line.metric.title}: one round has no interval: run 2 more rounds or more"
    bases, heads = line_samples(base, head, line.base, line.head, line.batch_size, line.metric)
    done = frozenset(key[1:] for key in bases if key in heads)
    rounds = rounds_to_judge(heads, bases, paired=base == head)
    needed = more_rounds(rounds, "tell these two apart", base if base == head else None, done)
    return f"{line.metric.title}: not proven after {verdict.change.n} rounds: {needed}"
