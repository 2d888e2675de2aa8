"""How many more rounds would settle a question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, hypot, log
from statistics import fmean, stdev

from feedrate.bench.results.stats import (
    CONFIDENCE,
    MAX_LOG,
    SMALLEST_EFFECT,
    SURE,
    Estimate,
    interval_from,
    judge,
)
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.run_comparison import MIN_PAIRS, SampleKey
from feedrate.reports.analysis.summarize import Row, Samples

MAX_MORE = 100
"""More rounds than this are not suggested: the noise must be lowered instead."""


def rounds_to_rank(head: Row, base: Row, name: str, *, narrow: bool = False) -> int | None:
    """Return how many more rounds should tell which of two rows is faster, or that they are the same. See `rounds_to_judge`."""
    metric = BY_NAME[name]
    samples = verdicts.row_samples(head, metric), verdicts.row_samples(base, metric)
    return rounds_to_judge(*samples, paired=head.run == base.run, narrow=narrow)


def rounds_to_judge(
    head: Mapping[SampleKey, float], base: Mapping[SampleKey, float], *, paired: bool, narrow: bool = False
) -> int | None:
    """Return how many more rounds should tell whether the ratio of two samples is above 1, below it, or the same.

    It expects the mean and the standard deviation of the log ratios to stay as they are. If they are
    paired, it takes them by round.

    narrow: return how many should bring the interval within `SMALLEST_EFFECT` of the ratio instead.

    Returns None for fewer than two rounds, for rates of 0, and if `MAX_MORE` rounds are not expected to be enough.
    """
    n = min(len(head), len(base))
    if n < 2 or min(*head.values(), *base.values()) <= 0:
        return None
    logs_of = {key: log(value) for key, value in head.items()}, {key: log(value) for key, value in base.items()}
    shared = [key for key in head if key in base] if paired else []
    if len(shared) > 1:  # later rounds make pairs of these, too
        differences = [logs_of[0][key] - logs_of[1][key] for key in shared]
        mean, deviation, n = fmean(differences), stdev(differences), len(shared)
    else:
        head_logs, base_logs = (list(logs.values()) for logs in logs_of)
        mean, deviation = fmean(head_logs) - fmean(base_logs), hypot(stdev(head_logs), stdev(base_logs))

    def settled(change: Estimate) -> bool:
        if narrow:
            return not verdicts.is_wide(change, SMALLEST_EFFECT)
        return judge(change, same=1.0, effect=SMALLEST_EFFECT) != "inconclusive"

    return _until(mean, deviation, n, SURE, settled)


def rounds_to_judge_share(row: Row) -> int | None:
    """Return how many more rounds should tell whether a loader feeds the model; None if that cannot be foreseen."""
    if row.share is None or row.ceiling is None or len(row.share.values) < 2 or min(row.share.values) <= 0:
        return None
    logs, ceiling = [log(value) for value in row.share.values], row.ceiling

    def settled(share: Estimate) -> bool:
        return verdicts.share_state(Samples((), share), ceiling) in ("feeds", *verdicts.HELD)

    return _until(fmean(logs), stdev(logs), len(logs), CONFIDENCE, settled)


def rounds_to_know(rate: Samples) -> int | None:
    """Return how many more rounds should narrow a rate's interval to one that reports show; None if that cannot be foreseen."""
    values = rate.values
    if len(values) < 2:
        return None

    def settled(estimate: Estimate) -> bool:
        return not verdicts.is_wide(estimate)

    return _until(fmean(values), stdev(values), len(values), CONFIDENCE, settled, scale=float)


def _until(
    mean: float,
    deviation: float,
    n: int,
    confidence: float,
    settled: Callable[[Estimate], bool],
    *,
    scale: Callable[[float], float] | None = None,
) -> int | None:
    """Return how many rounds to add until an interval settles something. scale: of mean and deviation. Default: logarithms."""
    of = scale or _exp
    for total in range(max(n + 1, MIN_PAIRS), n + MAX_MORE + 1):
        low, high = interval_from(mean, deviation, total, confidence)
        if settled(Estimate(of(mean), of(low), of(high), total)):
            return total - n
    return None


def _exp(value: float) -> float:
    return exp(min(value, MAX_LOG))
