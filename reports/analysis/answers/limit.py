"""Says whether the loader or the model holds the training back. Each loader is judged by its own interval against the ceiling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from feedrate.bench.results.stats import Estimate
from feedrate.reports import units
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.answers.continued_run import share_rounds
from feedrate.reports.analysis.answers.field import Field
from feedrate.reports.analysis.answers.wording import MAX_NAMES, names_of
from feedrate.reports.analysis.stall_split import main_cause
from feedrate.reports.analysis.summarize import Row
from feedrate.reports.analysis.verdicts import FEEDS, HELD, MAX_SHARE_HALF_WIDTH, ShareState

ABOVE = (
    "trained faster than the model without a loader (its ceiling). That cannot be, so the ceiling was measured too low"
)
"""Predicate of a loader whose interval lies above the ceiling."""
SETTLED = ("feeds", *HELD)
"""States in which the interval decides what holds the training back."""


def limit(field: Field) -> str:
    """Say whether the loader or the model holds the training back: first with the fastest loader, then with each other one."""
    order = field.order
    if not order.rows:
        rates = [verdicts.rate_text(ceiling, units.format_rate) for ceiling in [field.ceiling] if ceiling]
        return f"Not known: no loader has a result.{''.join(f' Without a loader, the model takes {rate}.' for rate in rates)}"
    if not field.training:
        return "Not known: nothing was trained."
    best, *others = order.rows
    even = field.rival is not None and not order.tied and not order.one_round
    sentences = [_of_first(best, even=even), *_of_others(best, others), _of_ceiling(order.rows), _hint(order.rows)]
    return " ".join(filter(None, sentences))


def kept(share: Estimate) -> str:
    """Return which part of the ceiling a loader delivers: "78.0 to 82.0 %". No loader delivers more than all, so 100 % cuts it."""
    low, high = share.low or 0.0, share.high or 0.0
    if low >= 1:
        return "all"
    return f"{low * 100:.1f} % or more" if high > 1 else _interval(low, high)


def lost(*shares: Estimate) -> str:
    """Return which part of the model's speed loaders cost that keep it below its ceiling: "18.0 to 22.0 %"."""
    return _interval(min(1 - (share.high or 0.0) for share in shares), max(1 - (share.low or 0.0) for share in shares))


def noise(share: Estimate) -> str:
    """Return a sentence if a loader's mean lies above the ceiling, which cannot be; else nothing.

    An interval that holds 100 % says that noise explains it. One that does not has a sentence of its own, ABOVE.
    """
    text = units.format_percent(share.mean)
    if share.mean <= 1 or text == "100.0 %":
        return ""
    if share.low is not None and share.low < 1:
        return f" The mean of {text} is above the ceiling by no more than the noise of the rounds."
    return f" The mean of {text} is above the ceiling: that is noise, or the ceiling was measured too low."


def _interval(low: float, high: float) -> str:
    ends = f"{low * 100:.1f}", f"{high * 100:.1f}"
    return f"about {ends[0]} %" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]} %"


def _state(row: Row) -> ShareState:
    return verdicts.share_state(row.share, row.ceiling)


def _of_first(row: Row, *, even: bool) -> str:
    """Judge the first loader. even: whether it is the fastest, so that no other one does better."""
    state, name = _state(row), f"{'even ' * even}{row.label}"
    if row.share is None or state == "none":
        return "Not known: the model's ceiling was not measured."
    share = row.share.estimate
    cause = main_cause(row.stall)
    return {
        "one round": f"Not judged: one round has no interval. In it, {row.label} reached "
        f"{units.format_percent(share.mean)} of the model's ceiling.{noise(share)}",
        "above": f"Not known: {row.label} {ABOVE}.",
        "share not known": f"Not known: the rounds of {row.label} differ too much.",
        "ceiling not known": f"Not known for {row.label}: the rounds of the model without a loader (its ceiling) are too few or differ too much.",
        "feeds": f"The model. {row.label} delivers {kept(share)} of what the model can take, so a faster loader would change nothing.{noise(share)}",
        "may feed": f"Not settled. {row.label} delivers {kept(share)} of what the model can take. "
        f"Above {FEEDS * 100:.0f} %, the model holds you back.{noise(share)}",
        "held back": f"The loader: {name} delivers at most {units.format_percent(share.high)} of what the model can take{cause}. "
        "Its rounds differ, so the exact share is not known.",
        "costs": f"The loader, in part: {name} costs the model {lost(share)} of its speed{cause}.",
        "limits": f"The loader: {name} delivers {kept(share)} of what the model can take{cause}.",
    }[state]


def _of_others(best: Row, others: Sequence[Row]) -> Iterator[str]:
    """Judge the other loaders: those that hold the training back, those that do not, and those whose interval leaves it open."""
    held = [row for row in others if _state(row) in HELD]
    feeding = [row for row in others if _state(row) == "feeds"]
    left = [row for row in others if _state(row) not in (*SETTLED, "none", "one round")]
    if held:
        it, costs = ("it", "costs") if len(held) == 1 else ("they", "cost")
        cost = f"{costs} the model {lost(*(row.share.estimate for row in held if row.share))} of its speed"
        cause = main_cause(held[0].stall) if len(held) == 1 else ""
        if _state(best) in HELD:
            yield f"{names_of(held)} {cost}."
        else:
            yield f"With {names_of(held)}, it is the loader: {it} {cost}{cause}."
    if feeding:
        least = min(row.share.estimate.low or 0.0 for row in feeding if row.share)
        deliver = f"deliver{'s' * (len(feeding) == 1)} {min(least, 1.0) * 100:.1f} % or more of what it can take"
        yield f"With {names_of(feeding)}, it is the model{', too' * (_state(best) == 'feeds')}: the loader {deliver}."
    if left:
        yield f"It is open for {names_of(left)}{', too' * (_state(best) not in SETTLED)}."


def _of_ceiling(rows: Sequence[Row]) -> str:
    """Say that a ceiling whose rounds differ was compared within rounds, if it was and an interval decided something."""
    for row in rows:
        vague = row.ceiling is not None and verdicts.is_wide(row.ceiling.estimate, MAX_SHARE_HALF_WIDTH)
        if vague and _state(row) in SETTLED and len(share_rounds(row)) > 1:
            return "The ceiling itself is not known, because its rounds differ; each loader was compared with the ceiling of the same round."
    return ""


def _hint(rows: Sequence[Row]) -> str:
    """Say how long the device waited for the loaders that no interval judges. It is measured, but it proves nothing."""
    stalls = [
        (row, row.metrics["stall_fraction"].estimate.mean)
        for row in rows
        if _state(row) not in (*SETTLED, "may feed") and "stall_fraction" in row.metrics
    ]
    if not stalls:
        return ""
    parts = [f"{units.format_percent(stall)} with {row.label}" for row, stall in stalls[:MAX_NAMES]]
    more = f" ({len(stalls) - MAX_NAMES} more in the column Stall)" if len(stalls) > MAX_NAMES else ""
    return f"A hint, not a verdict: the share of training in which the device waited for data was {', '.join(parts)}{more}."
