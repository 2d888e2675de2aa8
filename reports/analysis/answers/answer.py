"""The answers to a comparison's questions, in sentences. Every verdict comes from `verdicts`, so it claims what its interval does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from feedrate.reports import units
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.answers.field import Field, fields
from feedrate.reports.analysis.answers.lead import lead, measured_factor
from feedrate.reports.analysis.answers.limit import limit
from feedrate.reports.analysis.answers.next_step import NextStep, next_step
from feedrate.reports.analysis.answers.wording import doubts_of
from feedrate.reports.analysis.provenance_diff import provenance_diff
from feedrate.reports.analysis.summarize import Comparison, Row

QUESTIONS = ("By what factor?", "Loader or model?", "What next?")
"""How the answers begin that follow the one on which loader is the fastest. The page asks the same questions."""


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """A line of text."""

    kind: Literal["title", "about", "answer", "command"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one field's numbers say."""

    field: Field
    which: str
    """Which loader is the fastest, or which ones cannot be told apart."""
    factor: str
    """By what factor, with the interval that decided it; empty if no loader has a result."""
    limit: str
    """Whether the loader or the model holds the training back."""
    next: NextStep


def answers(comparison: Comparison) -> list[Answer]:
    """Return an answer for each machine and batch size."""
    return [
        Answer(field=field, which=which(field), factor=factor(field), limit=limit(field), next=next_step(field))
        for field in fields(comparison)
    ]


def lines(comparison: Comparison) -> list[AnswerLine]:
    """Return the same as lines of text, for terminals and Markdown. Each is an answer to a question of the page's first screen."""
    how_much, why, what_next = QUESTIONS
    found = [AnswerLine("title", text) for text in _first(comparison)]
    for answer in answers(comparison):
        found.append(AnswerLine("title", answer.which))
        if answer.factor:
            found.append(AnswerLine("about", f"Measured in {answer.field.measured}."))
            found += [
                AnswerLine("answer", f"{how_much} {answer.factor}"),
                AnswerLine("answer", f"{why} {answer.limit}"),
            ]
        found.append(AnswerLine("answer", f"{what_next} {answer.next.sentence}"))
        if answer.next.command:
            found.append(AnswerLine("command", answer.next.command))
    return found


def summary(comparison: Comparison) -> str:
    """Return the result in a few sentences: for each machine and batch size, which loader, by what factor, and how it was measured."""
    found = _first(comparison)
    for answer in answers(comparison):
        field = answer.field
        if answer.factor:
            limit = [answer.limit] if field.training else []
            found += [answer.which, answer.factor, *limit, f"Measured in {field.measured}."]
        else:
            found.append(f"{answer.which.removesuffix('.')} on {field.place}, batch size {field.batch_size:,}.")
    return " ".join(found)


def _first(comparison: Comparison) -> list[str]:
    """Return what must be said before any answer: that runs must not be compared, or that only the model was measured."""
    if comparison.rows:
        return [refused] if (refused := refusal(comparison)) else []
    rates = [verdicts.rate_text(ceiling, units.format_rate) for ceiling in comparison.ceilings.values()]
    return [f"No loader has a result.{''.join(f' Without a loader, the model takes {rate}.' for rate in rates)}"]


def refusal(comparison: Comparison) -> str:
    """Return a sentence if the runs must not be compared; empty if they may."""
    differences = provenance_diff([run for _, run in comparison.runs])
    tasks = [difference.what for difference in differences if difference.kind == "task"]
    return f"These runs must not be compared, because they differ in {', '.join(tasks)}." if tasks else ""


def which(field: Field) -> str:
    """Say which loader is the fastest. Only one whose interval against every other one says so is called that."""
    order = field.order
    if not order.rows:
        return "No loader has a result."
    best, *others = order.rows
    if not others:
        return f"{best.label} is the only loader with a result{doubts_of(best)}."
    if order.tied:
        return lead(order, "In training" if field.training else "Without a model")
    return f"{best.label} is the fastest {'in training' if field.training else 'without a model'}{doubts_of(best)}."


def factor(field: Field) -> str:
    """Say by what factor the first loader leads, against its baseline and against the first one that is slower."""
    order = field.order
    if not order.rows:
        return ""
    best, rival = order.rows[0], field.rival
    rate = rate_of(best, field)
    reached = f"{best.label} {'trains at' if field.training else 'delivers'} {rate}."
    if rival is None:
        return f"There is no other loader to compare it with. {reached}"
    slower = next((group[0] for group in field.groups[1:]), None)
    proven = [row for row in (rival, slower) if row is not None and not verdicts.among(row, order.tied)]
    if len(proven) == 2 and proven[0] is proven[1]:
        proven.pop()
    compared = [*proven[:1], order.tied[0]] if order.tied else proven
    return f"{'. '.join(_change(best, row, field) for row in compared)}. {reached}"


def _change(best: Row, row: Row, field: Field) -> str:
    """Compare two loaders as "17 times b (14 to 20)". If that is open, say what was measured and what is possible."""
    verdict = verdicts.compare_rows(best, row, field.order.metric.name)
    if verdict is None or verdict.direction == "inconclusive":
        return measured_factor(best, row, field.order.metric)
    text = verdicts.change(verdict, field.order.metric, row.label)
    return f"{text[:1].upper()}{text[1:]}"


def rate_of(row: Row, field: Field) -> str:
    """Return a row's rate with its 95 % interval. If that is too wide, return the slowest and the fastest round instead."""
    return verdicts.rate_text(row.metrics[field.order.metric.name], units.format_rate)
