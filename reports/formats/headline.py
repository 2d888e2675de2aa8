"""The answer of a comparison in a few sentences. It says no more than the intervals allow, and never ranks two machines together."""

from __future__ import annotations

from collections.abc import Sequence

from feedrate.reports import units
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.answers.answer import refusal
from feedrate.reports.analysis.answers.field import place_of, shortly_named
from feedrate.reports.analysis.answers.wording import MAX_NAMES, doubts_of, names_of
from feedrate.reports.analysis.summarize import Comparison, Row
from feedrate.reports.analysis.verdicts import Ranking


def answer(comparison: Comparison) -> str:
    """Return the result: one or more sentences for each machine."""
    if refused := refusal(comparison):
        return refused
    places: dict[str, list[str]] = {}
    for name, run in comparison.runs:
        places.setdefault(place_of(run), []).append(name)
    return " ".join(_of_place(comparison, place, runs) for place, runs in places.items())


def _of_place(comparison: Comparison, place: str, runs: Sequence[str]) -> str:
    rows = shortly_named([row for row in comparison.rows if row.run in runs])
    for name in ("train_rows_per_s", "load_rows_per_s"):
        order = verdicts.ranking(rows, name)
        if order.rows:
            return f"On {place}, {_ranked(order)}"
    ceilings = [samples for (run, _), samples in comparison.ceilings.items() if run in runs]
    if ceilings:
        best = max(ceilings, key=lambda samples: samples.estimate.mean)
        ceiling = verdicts.figure(best.estimate, units.format_rate)
        return f"On {place} the ceiling (model only) is {ceiling}; no loader trial finished."
    return f"On {place} no loader finished a trial."


def _ranked(order: Ranking) -> str:
    best, *rest = order.rows
    training = order.metric.name == "train_rows_per_s"
    what = "in training" if training else "on their own"
    if not rest:
        sentences = [f"{best.label} {'trains at' if training else 'on its own delivers'} {_rate(best, order)}"]
    elif order.one_round:
        rates = [
            f"{row.label} has {verdicts.figure(row.metrics[order.metric.name].estimate, order.metric.text)}"
            for row in order.rows[:MAX_NAMES]
        ]
        sentences = [
            f"one round has no interval, so it cannot rank the loaders {what}: {', '.join(rates)}{_more(order.rows)}"
        ]
    elif order.tied:
        sentences = [
            f"{names_of((best, *order.tied))} are not distinguishable {what}{_interval(order)}",
            f"{best.label} reaches {_rate(best, order)}",
        ]
    else:
        sentences = [
            f"{best.label} is the fastest {'in training' if training else 'on its own'}{doubts_of(best)}: "
            f"{_rate(best, order)}{_lead(order)}"
        ]
    worst = order.rows[-1]
    if rest and worst not in order.tied and not order.one_round:
        sentences.append(f"{worst.label} reaches {_rate(worst, order)}{_waits(worst)}")
    if not training:
        sentences.append("Nothing was trained")
    return ". ".join(sentences) + "."


def _rate(row: Row, order: Ranking) -> str:
    """Return the rate, in training with its share of the ceiling."""
    rate = verdicts.figure(row.metrics[order.metric.name].estimate, order.metric.text)
    if rate == verdicts.NOT_KNOWN:
        rate = "a rate that is not known (run more rounds)"
    if order.metric.name != "train_rows_per_s" or row.share is None:
        return rate
    share = verdicts.share_text(row.share, row.ceiling)
    if share == verdicts.NOT_KNOWN:
        return f"{rate}, an unknown share of the model's ceiling"
    return f"{rate}, {share} of the model's ceiling"


def _lead(order: Ranking) -> str:
    """Compare the fastest loader with its baseline, or with the second one if it is the baseline itself."""
    best, second = order.rows[:2]
    key = (best.run, best.batch_size, best.baseline)
    base = next((row for row in order.rows[1:] if (row.run, row.batch_size, row.loader) == key), second)
    verdict = verdicts.compare_rows(best, base, order.metric.name)
    return "" if verdict is None else f"; {verdicts.change(verdict, order.metric, base.label)}"


def _interval(order: Ranking) -> str:
    """Compare the first loader with the second one, which it is not distinguishable from."""
    verdict = verdicts.compare_rows(order.rows[0], order.tied[0], order.metric.name)
    text = verdicts.NOT_KNOWN if verdict is None else verdicts.change(verdict, order.metric)
    pair = f"{order.rows[0].label} against {order.tied[0].label}"
    return " (run more rounds)" if text == verdicts.NOT_KNOWN else f" ({pair}: {text})"


def _waits(row: Row) -> str:
    if stalled := row.mean("stall_fraction"):
        return f" and leaves the device without work {units.format_percent(stalled)} of the time"
    if waiting := row.mean("wait_fraction"):
        return f" and keeps the model waiting {units.format_percent(waiting)} of the time"
    return ""


def _more(rows: Sequence[Row]) -> str:
    return f" and {len(rows) - MAX_NAMES} more" if len(rows) > MAX_NAMES else ""
