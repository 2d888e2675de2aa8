"""What is wrong with the results of a comparison: one line each, with the place that tells more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from feedrate.bench.results.record import TrialResult
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.answers.limit import ABOVE
from feedrate.reports.analysis.answers.wording import MAX_NAMES, names_of
from feedrate.reports.analysis.summarize import Comparison, Row
from feedrate.reports.names import middle

Place = Literal["loader", "trials", "checked"]
UNCHECKED = "this record is from an older version, which did not compare the rows of timed epochs with the dataset"
_NOTES = {"its AUC is": "its AUC differs", "its rate is not for comparison": "every row was checked"}
"""How the notes begin that tell more than lines which begin in this way. Any other note holds its line."""
MAX_DETAIL = 240
"""Longest part of a trial's message, in characters, that a line quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One thing that is wrong, or that a reader must know before trusting a number."""

    text: str
    place: Place
    """Where more of it stands: at a loader, in the list of trials without a result, or in a column of the table."""
    row: Row | None = None
    """The first loader that it concerns."""
    trial: int = 0
    """Of the trials without a result, the first one that it concerns."""
    note: str = ""
    """Part of the note on the loader that tells more. Each line leads to a note of its own."""


def concerns(comparison: Comparison) -> list[Concern]:
    """Return what is wrong. Trials without a result come first, then doubts about rows, then what costs only precision."""
    rows = comparison.rows
    unchecked = [row for row in rows if verdicts.rows_checked(row) == "not checked"]
    found = [*_trials(comparison), *_shared(rows, [verdicts.correctness(row) for row in rows])]
    if unchecked:
        text = f"{_who(unchecked, rows)}: {UNCHECKED}"
        found.append(Concern(text=text, place="checked", row=unchecked[0]))
    return found + _shared(rows, [[*_of_precision(row), *_other_flags(row)] for row in rows])


def _of_precision(row: Row) -> Iterator[str]:
    """Yield what speaks against a row's figures, apart from flags."""
    if verdicts.share_state(row.share, row.ceiling) == "above":
        yield ABOVE
    if noise := verdicts.noise(row):
        yield noise


def _trials(comparison: Comparison) -> Iterator[Concern]:
    """Yield a line for each loader and status of the trials without a result."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for number, trial in enumerate(comparison.not_ok):
        numbers.setdefault((trial.spec.loader, trial.status), []).append(number)
    for (loader, status), places in numbers.items():
        texts = [comparison.not_ok[number].detail for number in places]
        total = sum(trial.spec.loader == loader for _, run in comparison.runs for trial in run.trials)
        row = next((row for row in comparison.rows if row.loader == loader), None)
        first = middle(texts[0], MAX_DETAIL)  # its end may name a log
        text = f"{loader}: {len(texts)} of {total} trials {status}{f': {first}' if first else ''}"
        yield Concern(text=text, place="trials", row=row, trial=places[0])


def _shared(rows: Sequence[Row], texts: Sequence[Sequence[str]]) -> list[Concern]:
    """Return one line for each text, with the names of all rows that have it."""
    rows_of: dict[str, list[Row]] = {}
    for row, lines in zip(rows, texts, strict=True):
        for text in lines:
            rows_of.setdefault(text, []).append(row)
    return [
        Concern(text=f"{_who(concerned, rows)}: {text}", place="loader", row=concerned[0], note=_note(text))
        for text, concerned in rows_of.items()
    ]


def _note(text: str) -> str:
    longer = next((note for start, note in _NOTES.items() if text.startswith(start)), text)
    return re.sub(r" \(in \d+ of \d+ trials\)$", "", longer)


def _who(concerned: Sequence[Row], rows: Sequence[Row]) -> str:
    """Name the loaders that a line concerns, or say that it concerns all that have a result."""
    with_result = [row for row in rows if row.metrics]
    return "every loader" if len(concerned) == len(with_result) > MAX_NAMES else names_of(concerned)


def _other_flags(row: Row) -> list[str]:
    """Return the flags that are no doubt about rows, with the number of trials that have them if not all do."""
    doubts = verdicts.correctness(row)
    trials = verdicts.own_trials(row)
    lines = []
    for head in verdicts.once(flag.partition(":")[0] for flag in row.flags):
        flagged = sum(any(verdicts.once([head, other]) == [head] for other in _heads(trial)) for trial in trials)
        some = f" (in {flagged} of {len(trials)} trials)" if 0 < flagged < len(trials) else ""
        lines += [f"{head}{some}"] * (head not in doubts)
    return lines


def _heads(trial: TrialResult) -> list[str]:
    return [flag.partition(":")[0] for flag in trial.flags]
