"""Says which loader leads if no interval proves it: in how many rounds it was ahead, and that this is no proof."""

from __future__ import annotations

from collections.abc import Sequence

from feedrate.bench.results.stats import SMALLEST_EFFECT
from feedrate.reports import units
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.answers.wording import MAX_NAMES, doubts_of, names_of
from feedrate.reports.analysis.metrics import Metric
from feedrate.reports.analysis.summarize import Row
from feedrate.reports.analysis.verdicts import Ranking


def lead(order: Ranking, what: str) -> str:
    """Say in a title which loader is ahead of those that may be as fast. what: "In training", for example."""
    best, alike, rest = order.rows[0], _alike(order), _open(order)
    if not rest:
        return f"{what}, {names_of((best, *alike))} are equally fast: they differ by less than {SMALLEST_EFFECT * 100:.0f} %."
    n = _rounds([best, *rest], order.metric)
    proof = "one round does not prove it" if n == 1 else f"{n} rounds do not prove it"
    proven, won = _proven(order), _in_rounds(best, rest, order.metric)
    before = f"{what}, {best.label}{doubts_of(best)} is faster than {_few(proven)}. " if proven else f"{what}, "
    if all(_ahead(best, row, order.metric) for row in rest):
        subject = "It" if proven else best.label
        sentence = f"{before}{subject} was faster than {names_of(rest)} {won}, but {proof}."
    else:
        sentence = f"{before}{names_of((best, *rest))} cannot be told apart after {n} round{'s' * (n != 1)}."
    if not alike:
        return sentence
    return f"{sentence} {names_of(alike)} {'is' if len(alike) == 1 else 'are'} as fast as {best.label}."


def measured_factor(best: Row, row: Row, metric: Metric) -> str:
    """Return the measured factor of two loaders that no interval tells apart, with the 99 % interval that left it open."""
    verdict = verdicts.compare_rows(best, row, metric.name)
    if verdict is None:
        return f"{best.label} and {row.label} cannot be compared"
    ratio, low, high = verdict.change.mean, verdict.change.low, verdict.change.high
    if low is None or high is None:
        return f"{units.format_factor(ratio, row.label)} in one round, which may be chance"
    size = units.format_factor(ratio, row.label)
    if low > units.FRACTION and high < units.TIMES:
        ends = f"{units.format_change(low - 1)} to {units.format_change(high - 1)}"
    else:
        ends = units.format_factor_span(low, high)
    if not ends:
        return f"{size} in the measured rounds, but they differ so much that this says little"
    return f"{size} in the measured rounds, but anything from {ends} is possible (99 % interval)"


def _alike(order: Ranking) -> list[Row]:
    judged = [(row, verdicts.compare_rows(order.rows[0], row, order.metric.name)) for row in order.tied]
    return [row for row, verdict in judged if verdict is not None and verdict.direction == "same"]


def _open(order: Ranking) -> list[Row]:
    alike = _alike(order)
    return [row for row in order.tied if not verdicts.among(row, alike)]


def _ahead(best: Row, row: Row, metric: Metric) -> bool:
    """Return whether the measured factor is above 1. The mean rate may say otherwise if rounds differ much or are missing."""
    verdict = verdicts.compare_rows(best, row, metric.name)
    return verdict is not None and verdict.change.mean > 1


def _proven(order: Ranking) -> list[Row]:
    return [row for row in order.rows[1:] if not verdicts.among(row, order.tied)]


def _few(rows: Sequence[Row]) -> str:
    return names_of(rows) if len(rows) <= MAX_NAMES else f"{len(rows)} others"


def _rounds(rows: Sequence[Row], metric: Metric) -> int:
    return min(len(verdicts.row_samples(row, metric)) for row in rows)


def _in_rounds(best: Row, others: Sequence[Row], metric: Metric) -> str:
    """Say in how many rounds the first loader was ahead of all others. Only rounds of one run that all have are counted."""
    samples = [verdicts.row_samples(row, metric) for row in (best, *others)]
    shared = [key for key in samples[0] if all(key in values for values in samples)]
    n = _rounds([best, *others], metric)
    won = sum(all(samples[0][key] > values[key] for values in samples[1:]) for key in shared)
    if n == 1:
        return "in one round"
    if len({row.run for row in (best, *others)}) > 1 or len(shared) < n or won * 2 <= n:
        return f"on average over {n} rounds"
    if won == n:
        return "in both rounds" if n == 2 else f"in all {n} rounds"
    return f"in {won} of {n} rounds"
