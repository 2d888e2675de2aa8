"""The answers of a comparison as the page shows them: sentences, with links to the places that tell more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feedrate.reports.analysis.answers.answer import Answer, answers, rate_of, refusal, summary
from feedrate.reports.analysis.answers.concerns import Concern, concerns
from feedrate.reports.analysis.answers.field import Field
from feedrate.reports.analysis.answers.open_verdicts import RowKey
from feedrate.reports.analysis.answers.run_concerns import run_concerns
from feedrate.reports.analysis.references import replaced_baseline
from feedrate.reports.analysis.summarize import Comparison, Row
from feedrate.reports.formats import sentences


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text that leads to a place of the page."""

    text: str
    place: str
    """Id of the element to go to."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Loaders that cannot be told apart, each with its rate."""

    loaders: tuple[tuple[Line, str], ...]


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer, and all of its loaders in order."""

    answer: Answer
    standings: tuple[Standing, ...]
    without_result: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class FirstScreen:
    """What the page says first."""

    title: str
    answers: tuple[AnswerView, ...]
    wrong: tuple[Line, ...]
    trials: int
    """Trials with a result."""


def first_screen(comparison: Comparison, notes: Sequence[Sequence[str]]) -> FirstScreen:
    """Return what the page says first. notes: the notes on the card of each row, to which lines lead."""
    found = answers(comparison)
    ids = {_key(row): loader_id(number) for number, row in enumerate(comparison.rows)}
    notes_of = {_key(row): lines for row, lines in zip(comparison.rows, notes, strict=True)}
    lines = [Line(concern.text, _place(concern, ids, notes_of)) for concern in concerns(comparison)]
    total = sum(len(run.trials) for _, run in comparison.runs)
    return FirstScreen(
        title=_title(comparison, found),
        answers=tuple(_view(answer, ids) for answer in found),
        wrong=(*_cautions(comparison), *lines),
        trials=total - len(comparison.not_ok),
    )


def _title(comparison: Comparison, found: Sequence[Answer]) -> str:
    if refused := refusal(comparison):
        return refused
    if not any(answer.field.order.rows for answer in found):
        return summary(comparison)
    return found[0].which if len(found) == 1 else f"{len(found)} answers, one for each machine and batch size"


def loader_id(number: int) -> str:
    """Return the id of the card of a comparison's row."""
    return f"loader-{number + 1}"


def note_id(card: str, number: int) -> str:
    """Return the id of a note on a card."""
    return f"{card}-note-{number + 1}"


def fact_id(run: int, name: str) -> str:
    """Return the id of a fact about a run, such as its GPU."""
    return f"run-{run + 1}-{name.lower().replace(' ', '-')}"


def _view(answer: Answer, ids: dict[tuple[str, int, str], str]) -> AnswerView:
    field = answer.field

    def line(row: Row) -> Line:
        return Line(row.label, ids[_key(row)])

    return AnswerView(
        answer,
        tuple(Standing(tuple((line(row), _rate(row, field)) for row in group)) for group in field.groups),
        tuple(map(line, field.without_result)),
    )


def _rate(row: Row, field: Field) -> str:
    """Return a row's rate. One that a proven result parts from the first loader says that it is not proven slower itself."""
    doubt = f" (not proven slower than {field.order.rows[0].label})" if field.perhaps_fastest(row) else ""
    return f"{rate_of(row, field)}{doubt}"


def _key(row: Row) -> tuple[str, int, str]:
    return row.run, row.batch_size, row.loader


def _place(concern: Concern, ids: dict[RowKey, str], notes_of: dict[RowKey, Sequence[str]]) -> str:
    if concern.place == "loader" and concern.row is not None:
        card, notes = ids[_key(concern.row)], notes_of[_key(concern.row)]
        number = next((number for number, note in enumerate(notes) if concern.note in note), None)
        return f"{card}-notes" if number is None else note_id(card, number)
    return f"not-ok-{concern.trial + 1}" if concern.place == "trials" else "column-rows-checked"


def _cautions(comparison: Comparison) -> Sequence[Line]:
    """Return what limits the comparison as a whole. What concerns whole runs stands in their sections."""
    places = {concern.text: fact_id(concern.run, concern.fact) for concern in run_concerns(comparison)}
    places |= dict.fromkeys(sentences.unlike(comparison), "run-1")
    places |= dict.fromkeys(sentences.all_in_order(comparison), "column-all-in")
    if any(row.verdicts for row in comparison.rows):
        lost = (
            replaced_baseline(run, row.batch_size)
            for name, run in comparison.runs
            for row in comparison.rows
            if row.run == name
        )
        places |= dict.fromkeys(lost, "column-against-baseline")
    return [Line(text, places.get(text, "results")) for text in sentences.cautions(comparison)]
