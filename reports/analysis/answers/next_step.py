"""What to do next, from a field's intervals: use a loader, make the model faster, or run more rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feedrate.bench.results.record import RunRecord
from feedrate.reports import units
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.answers.continued_run import (
    Rounds,
    continued,
    done_rounds,
    share_rounds,
    with_more_rounds,
    with_training,
)
from feedrate.reports.analysis.answers.field import Field
from feedrate.reports.analysis.answers.rounds import MAX_MORE, rounds_to_judge_share, rounds_to_rank
from feedrate.reports.analysis.answers.wording import names_of
from feedrate.reports.analysis.summarize import Row

QUIET_FIRST = "First stop other programs, because the machine was busy. "
MODEL = "The loader is not what holds you back{then}: make the model faster."
ROUNDS_OF_ONE = 2
"""Rounds to add to a single one. Three can be compared as pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """Advice in sentences, and the command that follows from it."""

    sentence: str
    command: str = ""
    """Empty if there is nothing to run, or if the record does not say how it was run."""


def next_step(field: Field) -> NextStep:
    """Return what to do next. The advice claims no more than the intervals do."""
    if not field.order.rows:
        then = "run again" if field.fixed else "continue the run"
        return _run(f"Remove what kept the loaders from finishing, then {then}.", field, {})
    if field.rounds == 1 or field.order.one_round:
        done = done_rounds(field.order.rows, field.order.metric.name)
        return _more_rounds(field, ROUNDS_OF_ONE, done, "give the first intervals")
    return _among_tied(field) if field.order.tied else _after_the_first(field)


def _among_tied(field: Field) -> NextStep:
    """Advise if several loaders may be the fastest."""
    order = field.order
    best, together = order.rows[0], (order.rows[0], *order.tied)
    sound = [row for row in together if not verdicts.correctness(row)] or list(together)
    feeding = [row for row in sound if verdicts.share_state(row.share, row.ceiling) == "feeds"]
    if feeding:
        return NextStep(sentence=f"{_use(feeding)} {MODEL.format(then='')}")
    judged = [(row, verdicts.compare_rows(best, row, order.metric.name)) for row in order.tied]
    unsettled = [(row, verdict) for row, verdict in judged if verdict is None or verdict.direction != "same"]
    if not unsettled:
        return NextStep(
            sentence=f"{_use(sound)} Their speeds differ by less than 3 %: choose by memory or convenience."
        )
    others = [row for row, _ in unsettled]
    order_of = f"settle the order of {names_of([best, *others])}"
    factors = f"narrow the factor of {best.label} to {names_of(others)} to ±3 %"
    for narrow, purpose in ((False, order_of), (True, factors)):
        needed = [rounds_to_rank(best, row, order.metric.name, narrow=narrow) for row, _ in unsettled]
        known = [rounds for rounds in needed if rounds is not None]
        if len(known) == len(needed):
            done = done_rounds([best, *(row for row, _ in unsettled)], order.metric.name)
            return _more_rounds(field, max(known), done, purpose)
    use = _use(sound) + " Speed does not decide between them"
    if any(verdict is None or verdicts.is_wide(verdict.change) for _, verdict in unsettled):
        use = "The rounds differ too much to choose by speed"
    return NextStep(
        sentence=f"{use}, and even {MAX_MORE} more rounds would hardly settle it: run on a quieter machine."
    )


def _after_the_first(field: Field) -> NextStep:
    """Advise if one loader is the fastest, or the only one."""
    best, alone = field.order.rows[0], len(field.order.rows) == 1
    use = "" if alone else _use_first(field)
    state = verdicts.share_state(best.share, best.ceiling)
    if state == "feeds":
        return NextStep(sentence=f"{use}{MODEL.format(then='' if alone else ' then')}")
    if state in verdicts.HELD:
        return NextStep(
            sentence=f"{use}It still slows the model down: run feedrate profile to see what it waits for."
            if use
            else "The loader slows the model down: compare it with others, or run feedrate profile to see what it waits for."
        )
    if state == "none":
        what = "Measure the model without a loader" if field.training else "Train with it"
        return _run(
            f"{use}{what} to learn whether the loader or the model holds you back.", field, with_training(field.runs[0])
        )
    rounds = rounds_to_judge_share(best)
    if rounds is None:
        return _run(f"{use}Run more rounds to learn whether the loader or the model holds you back.", field, None)
    return _more_rounds(
        field, rounds, share_rounds(best), f"tell whether the loader or the model holds you back with {best.label}", use
    )


def _use(rows: Sequence[Row]) -> str:
    return f"Use {names_of(rows, 'or')}."


def _use_first(field: Field) -> str:
    """Advise to use the fastest loader. If its rows are in doubt, name the fastest of the others, too."""
    best, *others = field.order.rows
    doubts = verdicts.correctness(best)
    if not doubts:
        return f"Use {best.label}. "
    advice = f"Use {best.label} only if you accept this: {'; '.join(doubts)}. "
    sound = [row for row in others if not verdicts.correctness(row)]
    if not sound:
        return advice
    order = verdicts.ranking(sound, field.order.metric.name)
    if order.tied:
        return f"{advice}{names_of((order.rows[0], *order.tied))} lead the others and cannot be told apart. "
    return f"{advice}Otherwise use {order.rows[0].label}. "


def _more_rounds(field: Field, rounds: int, done: Rounds, purpose: str, before: str = "") -> NextStep:
    """Advise to run more rounds, on a quiet machine. done: the rounds on which the forecast rests."""
    if any(map(verdicts.busy, field.order.rows)):
        before += QUIET_FIRST
    record = field.runs[0] if len(field.runs) == 1 else None
    if record is None:
        return NextStep(sentence=f"{before}About {_count(rounds)} of each run should {purpose}.")
    more = with_more_rounds(record, rounds, done, anew=bool(field.fixed))
    time = f", about {units.format_rough_duration(more.seconds)}" if more.seconds else ""
    what = f"A new run of {more.rounds} rounds" if field.fixed else _count(more.rounds)
    return _run(f"{before}{what} should {purpose}{time}.", field, more.options)


def _count(rounds: int) -> str:
    return f"{rounds} more round{'s' * (rounds != 1)}"


def _run(sentence: str, field: Field, options: Mapping[str, str] | None) -> NextStep:
    """Return the advice with the command that continues the field's run. Without options, the user chooses them.

    A run that cannot be continued gets the command of a new one, and the reason.
    """
    record: RunRecord | None = field.runs[0] if len(field.runs) == 1 else None
    if record is None or options is None:
        return NextStep(sentence=sentence)
    reason = f" The record {field.fixed}, so it cannot be continued." if field.fixed else ""
    command = continued(record, options, anew=bool(field.fixed))
    return NextStep(sentence=f"{sentence}{reason}", command=command)
