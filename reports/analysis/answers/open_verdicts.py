"""What the intervals of one loader's rate leave open, and how many more rounds should settle it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from feedrate.bench.results.record import RunRecord
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.answers.continued_run import Rounds, done_rounds, with_more_rounds
from feedrate.reports.analysis.answers.field import fields
from feedrate.reports.analysis.answers.rounds import MAX_MORE, rounds_to_know, rounds_to_rank
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.summarize import Comparison, Row

RowKey = tuple[str, int, str]
"""Run, batch size and loader of a row."""


def leaders(comparison: Comparison) -> frozenset[RowKey]:
    """Return the loaders that may be the fastest of their field. The advice on what to do next is about their order."""
    together = [(*field.order.rows[:1], *field.order.tied) for field in fields(comparison)]
    return frozenset(_key(row) for rows in together for row in rows)


def open_verdicts(row: Row, comparison: Comparison, answered: Collection[RowKey] = ()) -> Iterator[str]:
    """Yield a sentence on each thing that is not known yet of a loader's rate, with the rounds that should settle it.

    answered: loaders whose order the reader has been told how to settle. It is not said again.
    """
    metric, samples, verdict = BY_NAME[row.headline], row.metrics.get(row.headline), row.verdicts.get(row.headline)
    if samples is None:
        return
    record, rate, base_key = dict(comparison.runs)[row.run], samples.estimate, (row.run, row.batch_size, row.baseline)
    if rate.n == 1:
        if _key(row) not in answered:
            yield "one round has no interval: run 2 more rounds or more"
        return
    if verdicts.is_wide(rate):
        known = more_rounds(rounds_to_know(samples), "narrow it", record, done_rounds([row], metric.name))
        yield f"its rate is uncertain after {rate.n} rounds: {known}"
    base = next((base for base in comparison.rows if _key(base) == base_key), None)
    if base is None or verdict is None or verdict.direction != "inconclusive" or {_key(row), base_key} <= {*answered}:
        return
    change = verdicts.change(verdict, metric)
    size = "" if change == verdicts.TOO_WIDE else f", {change}"
    pair = done_rounds([row, base], metric.name)
    needed = more_rounds(rounds_to_rank(row, base, metric.name), "tell these two apart", record, pair)
    yield f"not proven faster or slower than {row.baseline} after {verdict.change.n} rounds{size}: {needed}"


def more_rounds(rounds: int | None, purpose: str, record: RunRecord | None = None, done: Rounds = frozenset()) -> str:
    """Recommend this number of more rounds. None means that no reasonable number would settle it.

    purpose: what they should do. Each pair of loaders needs a number of its own.
    record: the run that would be continued. Every seed gets equally many rounds, so it may need more. Default: two runs.
    done: the rounds on which the forecast rests.
    """
    if rounds is None:
        return f"over {MAX_MORE} more would be needed, so quieten the machine or leave it open"
    if record is None:
        return f"about {rounds} more of each run should {purpose}"
    return f"about {with_more_rounds(record, rounds, done).rounds} more should {purpose}"


def _key(row: Row) -> RowKey:
    return row.run, row.batch_size, row.loader
