"""Every word of a verdict, in terminal, page, Markdown, site and README. Each is drawn from the interval that is shown with it.

Figures of one loader and shares of the ceiling have 95 % intervals. Comparisons of two loaders have 99 % intervals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from feedrate.bench.results.flags import CORE_WAIT
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.stats import Estimate, Verdict
from feedrate.reports import units
from feedrate.reports.analysis.metrics import BY_NAME, Metric
from feedrate.reports.analysis.run_comparison import EFFECTS, SampleKey, judge_samples
from feedrate.reports.analysis.summarize import Row, Samples

NOT_KNOWN = "not known: run more rounds"
TOO_WIDE = "rounds differ too much"
"""In the place of a change whose interval says nothing."""
ONE_ROUND = "1 round, no interval"
MAX_HALF_WIDTH = 0.30
"""Half width of an interval, as a share of the mean, beyond which a figure is not known."""
MAX_SHARE_HALF_WIDTH = 0.10
"""The same for a share of the ceiling, of 1, and for the ceiling itself, as a share of its mean."""
FEEDS, HALF = 0.97, 0.5
"""Shares of the ceiling. Above FEEDS, the loader feeds the model. Below HALF, a verdict says what the loader leaves of it."""
UNQUIET = 2.0
"""Fastest round divided by slowest round from which on the machine was not quiet."""
_NO_CORRECTNESS = (
    "host memory",
    "device memory",
    "the page cache",
    "the loader held",
    "the GPU was",
    CORE_WAIT,
    "it printed",
)
"""How flags begin that leave a loader's rows in no doubt. Any other flag stands beside the word "fastest"."""

ShareState = Literal[
    "none", "one round", "above", "share not known", "ceiling not known", "feeds", "may feed", "held back", "costs", "limits"
]  # fmt: skip
HELD = ("held back", "costs", "limits")
"""States in which the interval lies below `FEEDS`: the loader holds the training back. Of "held back" it is too wide to say how much."""
NO_SHARE = ("none", "above", "share not known", "ceiling not known")
"""States in which the share is not shown as a figure."""


def half_width(estimate: Estimate) -> float | None:
    """Return half the interval's width, in the unit of the mean; None without an interval."""
    return None if estimate.low is None or estimate.high is None else (estimate.high - estimate.low) / 2


def is_wide(estimate: Estimate, limit: float = MAX_HALF_WIDTH) -> bool:
    """Return whether half the interval's width is more than this share of the mean. Without an interval it is not wide."""
    half = half_width(estimate)
    return half is not None and half > limit * abs(estimate.mean)


def figure(estimate: Estimate, text: Callable[[float | None], str]) -> str:
    """Format a figure with its interval: "800 rows/s ±3 %", "800 rows/s (n = 1)", or that it is not known."""
    half = half_width(estimate)
    if half is None:
        return f"{text(estimate.mean)} (n = 1)"
    if is_wide(estimate):
        return NOT_KNOWN
    share = f"{half / estimate.mean if estimate.mean else 0.0:.0%}".replace("%", " %")
    return f"{text(estimate.mean)} ±{share}"


def rate_text(samples: Samples, text: Callable[[float | None], str]) -> str:
    """Format a rate as `figure` does. If its interval is too wide, return the slowest and the fastest round: "3.8 to 22.8 k rows/s"."""
    if not is_wide(samples.estimate):
        return figure(samples.estimate, text)
    slowest, fastest = text(min(samples.values)), text(max(samples.values))
    number, _, unit = slowest.partition(" ")
    return f"{number if unit == fastest.partition(' ')[2] else slowest} to {fastest}"


def word(verdict: Verdict, metric: Metric) -> str:
    """Return the verdict in words: faster, slower, higher, lower, same or undecided."""
    if verdict.change.low is None:
        return "1 seed, no interval" if metric.name == "auc" else ONE_ROUND
    if verdict.direction in ("more", "less"):
        return _words(metric)[verdict.direction == "less"]
    return "same" if verdict.direction == "same" else "undecided"


def _words(metric: Metric) -> tuple[str, str]:
    return units.RATE_WORDS if metric.unit == "rows/s" else ("higher", "lower")


def change(verdict: Verdict, metric: Metric, base: str = "") -> str:
    """Format a change with the interval that decided: "+1.2 % (+0.3 % to +2.1 %)", "17 times (15 to 20)" or "+0.0010 (...)".

    An interval wider than `MAX_HALF_WIDTH` gives only the bound that is certain. If the verdict is open, it gives the interval.
    "17 times" is faster or slower: the word of the verdict stands beside it.
    base: name to write into it, as in "17 times nvtabular (15 to 20)" and "+1.2 % against nvtabular (+0.3 % to +2.1 %)".
    """
    estimate, words = verdict.change, _words(metric)
    low, high = estimate.low, estimate.high
    against = f" against {base}" if base else ""
    if metric.name in EFFECTS:
        return f"{estimate.mean:+.4f}{against}" + ("" if low is None else f" ({low:+.4f} to {high:+.4f})")
    if low is None or high is None:
        return units.format_factor(estimate.mean, base, words)
    if is_wide(estimate):
        less = (
            f"at least {units.format_fold(high, base, words)}"
            if units.in_times(high)
            else f"{units.format_factor(high)} or lower{against}"
        )
        bounds = {"more": f"at least {units.format_factor(low, base, words)}", "less": less}
        return bounds.get(verdict.direction) or units.format_factor_span(low, high, base, words) or TOO_WIDE
    if units.in_times(estimate.mean):
        ends = (low, high) if estimate.mean > 1 else (units.fold(high), units.fold(low))
        texts = units.format_times(units.fold(estimate.mean), *ends)[1:]
        return f"{units.format_fold(estimate.mean, base, words, ends)} ({' to '.join(texts)})"
    return f"{units.format_factor(estimate.mean, base)} ({units.format_change(low - 1)} to {units.format_change(high - 1)})"


def smallest_visible(verdict: Verdict, metric: Metric) -> str:
    """Format the smallest change that would have been called one."""
    smallest = verdict.smallest_seen
    if smallest is None:
        return units.NONE
    if metric.name in EFFECTS:
        return f"{smallest:.4f}"
    return NOT_KNOWN if smallest > MAX_HALF_WIDTH * verdict.change.mean else units.format_percent(smallest)


def share_state(share: Samples | None, ceiling: Samples | None) -> ShareState:
    """Return what the interval of a share of the ceiling allows one to say. It holds what the ceiling's own rounds leave open."""
    if share is None or ceiling is None:
        return "none"
    estimate = share.estimate
    half, low, high = half_width(estimate), estimate.low, estimate.high
    if (estimate.mean if low is None else low) > 2 - FEEDS:  # training cannot be faster than the model only
        return "above"
    if low is None or high is None or half is None:
        return "one round"
    wide = half > MAX_SHARE_HALF_WIDTH
    if high < FEEDS:
        return "held back" if wide else "costs" if estimate.mean >= HALF else "limits"
    if wide:
        return "ceiling not known" if is_wide(ceiling.estimate, MAX_SHARE_HALF_WIDTH) else "share not known"
    return "feeds" if low > FEEDS else "may feed"


def share_text(share: Samples | None, ceiling: Samples | None) -> str:
    """Format a share of the ceiling with its interval in percentage points: "80.0 ±1.2 %". A wide one gives the bound that decides."""
    state = share_state(share, ceiling)
    if share is None or state == "none":
        return units.NONE
    if state in NO_SHARE:
        return NOT_KNOWN
    if state == "held back":
        return f"at most {units.format_percent(share.estimate.high)}"
    half = half_width(share.estimate)
    if half is None:
        return f"{units.format_percent(share.estimate.mean)} (n = 1)"
    if is_wide(share.estimate):  # "0.6 ±0.9 %" would reach below 0
        return f"{(share.estimate.low or 0.0) * 100:.1f} to {(share.estimate.high or 0.0) * 100:.1f} %"
    return f"{share.estimate.mean * 100:.1f} ±{half * 100:.1f} %"


def correctness(row: Row) -> list[str]:
    """Return what must stand beside the word "fastest": doubts about a loader's rows, and a rate that is not for comparison."""
    doubts = once([flag.partition(":")[0] for flag in row.flags if not flag.startswith(_NO_CORRECTNESS)])
    if row.auc_differs is not None:
        doubts.append(f"its AUC is {word(row.auc_differs, BY_NAME['auc'])} than that of {row.baseline}")
    if checked_every(row):
        doubts.append("its rate is not for comparison, because every row was checked")
    return doubts


def once(texts: Iterable[str]) -> list[str]:
    """Return the first one of all texts that differ only in their numbers."""
    firsts: dict[str, str] = {}
    for text in texts:
        firsts.setdefault(re.sub(r"[\d.,]+", "", text), text)
    return list(firsts.values())


def own_trials(row: Row) -> list[TrialResult]:
    """Return a row's successful trials with the loader, without those of its ceiling."""
    return [trial for mode, trials in row.trials.items() if mode != "replay" for trial in trials]


def checked_every(row: Row) -> bool:
    """Return whether every row of a timed epoch was compared with the dataset, which costs speed."""
    return any(trial.spec.check == "every" for trials in row.trials.values() for trial in trials)


def compare_rows(head: Row, base: Row, name: str) -> Verdict | None:
    """Judge one row of a comparison against another by a metric; None if one of them lacks it. Rows of one run are paired."""
    metric = BY_NAME[name]
    return judge_samples(metric, row_samples(base, metric), row_samples(head, metric), paired=head.run == base.run)


def row_samples(row: Row, metric: Metric) -> dict[SampleKey, float]:
    """Return the metric's value of each trial of a row, by round."""
    return {
        (trial.run_at, trial.spec.repeat, trial.spec.seed): value
        for trial in row.trials.get(metric.mode_in([row.mode]), ())
        if (value := metric.of(trial)) is not None
    }


@dataclass(frozen=True, slots=True)
class Ranking:
    """What may be said about the order of some rows of one machine."""

    metric: Metric
    rows: tuple[Row, ...]
    """Rows with this metric, by descending mean. One that is proven faster than the row above it moves to the top."""
    tied: tuple[Row, ...]
    """Rows that are not proven slower than the first one. If there are none, the first one is the fastest."""
    one_round: bool
    """Whether the first row or one of the tied ones has no interval."""


def among(row: Row, rows: Iterable[Row]) -> bool:
    """Return whether it is one of these rows itself. Comparing rows by their values would go through all trials."""
    return any(row is member for member in rows)


def ranking(rows: Sequence[Row], name: str) -> Ranking:
    """Rank rows by a metric. Only a row that is faster than each other one at 99 % is the fastest."""
    order = sorted((row for row in rows if row.mean(name)), key=lambda row: -(row.mean(name) or 0.0))
    verdicts = _against_first(order, name)
    for _ in order:
        proven = next((row for row, verdict in verdicts if verdict is not None and verdict.direction == "less"), None)
        if proven is None:
            break
        order = [proven, *(row for row in order if row is not proven)]
        verdicts = _against_first(order, name)
    tied = tuple(row for row, verdict in verdicts if verdict is None or verdict.direction != "more")
    one_round = any(verdict is not None and verdict.change.low is None for _, verdict in verdicts)
    return Ranking(BY_NAME[name], tuple(order), tied, one_round)


def _against_first(order: Sequence[Row], name: str) -> list[tuple[Row, Verdict | None]]:
    return [(row, compare_rows(order[0], row, name)) for row in order[1:]]


def noise(row: Row) -> str:
    """Return a sentence if the fastest round was so much faster than the slowest that the machine was not quiet, else nothing."""
    names = {"load_rows_per_s": "of the loader only", "train_rows_per_s": "of training"}
    samples = {words: row.metrics[name].values for name, words in names.items() if name in row.metrics}
    folds = {words: max(values) / min(values) for words, values in samples.items() if min(values) > 0}
    words = max(folds, key=lambda key: folds[key], default="")
    if not words or folds[words] < UNQUIET:
        return ""
    return f"rounds {words} differ {units.format_two_digits(folds[words])}-fold: the machine was not quiet"


def busy(row: Row) -> bool:
    """Return whether other programs slowed its trials: rounds differ much, or threads waited for a core."""
    return bool(noise(row)) or any(flag.startswith(CORE_WAIT) for flag in row.flags)


def rows_checked(row: Row) -> str:
    """Return which rows of the timed epochs were compared with the dataset: "sample", "every row" or "not checked"."""
    checked = {trial.rows_checked for trial in row.trials.get(row.mode, ())}
    if not checked:
        return units.NONE
    if checked & {None, "no"}:
        return "not checked"
    return "every row" if checked == {"every"} else "sample"
