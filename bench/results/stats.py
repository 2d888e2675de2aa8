"""Statistics: pure functions of samples, each with its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 2000
SMALLEST_EFFECT = 0.03
"""Two ratios that differ by less than this are the same for any practical purpose."""
CONFIDENCE = 0.95
SURE = 0.99
"""Confidence of a verdict of difference. At 95 % a stopping rule that looks again and again would find too many."""

Direction = Literal["more", "less", "same", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its confidence interval. low and high are None for fewer than two samples."""

    mean: float
    low: float | None
    high: float | None
    n: int


def estimate(samples: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean with Student's t interval (Student 1908). Raises ValueError for no samples."""
    if not samples:
        raise ValueError("no samples")
    mean, n = fmean(samples), len(samples)
    if n < 2:
        return Estimate(mean, None, None, n)
    half = _t(confidence, n - 1) * stdev(samples) / sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def ratio(head: Sequence[float], base: Sequence[float], *, paired: bool, confidence: float = CONFIDENCE) -> Estimate:
    """Return the geometric mean of head over that of base, with a bootstrap interval.

    paired: head[i] and base[i] were measured in the same round, so effects of the machine on both cancel out.
    All samples must be greater than 0. n is the number of pairs, or of the smaller sample. Raises ValueError for no samples.

    The means of logarithms are resampled (Efron, Tibshirani 1993). With few samples the percentile interval is too narrow
    by construction, so it is widened about its middle to Student's t (Hesterberg 2015, "expanded percentile"; two samples
    with Welch's degrees of freedom).
    """
    heads, bases = [log(x) for x in head], [log(x) for x in base]
    if paired:
        pairs = [a - b for a, b in zip(heads, bases, strict=True)]
        logs = _bootstrapped([pairs], [], confidence)
    else:
        logs = _bootstrapped([heads], [bases], confidence)
    return Estimate(exp(logs.mean), _exp(logs.low), _exp(logs.high), logs.n)


def difference(
    head: Sequence[float], base: Sequence[float], *, paired: bool, confidence: float = CONFIDENCE
) -> Estimate:
    """Return the mean of head minus that of base, with the same interval as `ratio`."""
    if paired:
        return _bootstrapped([[a - b for a, b in zip(head, base, strict=True)]], [], confidence)
    return _bootstrapped([head], [base], confidence)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison allows one to say."""

    direction: Direction
    change: Estimate
    """A ratio or a difference, with its 95 % interval."""
    sure: Estimate
    """The same with the 99 % interval, which decides."""
    effect: float
    """The smallest change that matters."""

    @property
    def smallest_seen(self) -> float | None:
        """The smallest change that would have been called a change: half the deciding interval's width, at least `effect`."""
        sure = self.sure
        return None if sure.low is None or sure.high is None else max(self.effect, (sure.high - sure.low) / 2)


def judge_ratio(
    head: Sequence[float], base: Sequence[float], *, paired: bool, effect: float = SMALLEST_EFFECT
) -> Verdict:
    """Judge whether the head's mean is more or less than the base's, by their ratio. See `judge`."""
    usual, sure = (ratio(head, base, paired=paired, confidence=confidence) for confidence in (CONFIDENCE, SURE))
    return Verdict(judge(usual, sure, same=1.0, effect=effect), usual, sure, effect)


def judge_difference(head: Sequence[float], base: Sequence[float], *, paired: bool, effect: float) -> Verdict:
    """Judge whether the head's mean is more or less than the base's, by their difference. See `judge`."""
    usual, sure = (difference(head, base, paired=paired, confidence=confidence) for confidence in (CONFIDENCE, SURE))
    return Verdict(judge(usual, sure, same=0.0, effect=effect), usual, sure, effect)


def judge(usual: Estimate, sure: Estimate, *, same: float, effect: float) -> Direction:
    """Return the verdict on a change.

    A difference needs significance (99 %) and a size of at least `effect`. Sameness needs the 95 % interval within that
    size. Anything else is inconclusive.

    same: the value that means no change. effect: the smallest change that matters. Equivalence by an interval within bounds
    is Westlake's (1972) and Schuirmann's (1987).
    """
    if usual.low is None or usual.high is None or sure.low is None or sure.high is None:
        return "inconclusive"
    if sure.low > same and usual.mean >= same + effect:
        return "more"
    if sure.high < same and usual.mean <= same - effect:
        return "less"
    if same - effect <= usual.low and usual.high <= same + effect:
        return "same"
    return "inconclusive"


def percentile(samples: Sequence[float], fraction: float) -> float:
    """Return one percentile. See `percentiles`."""
    return percentiles(samples, (fraction,))[0]


def percentiles(samples: Sequence[float], fractions: Sequence[float]) -> list[float]:
    """Return percentiles by linear interpolation between order statistics (Hyndman, Fan 1996, type 7).

    fractions: 0 to 1. Raises ValueError for no samples.
    """
    import numpy as np

    if not samples:
        raise ValueError("no samples")
    values: list[float] = np.quantile(np.asarray(samples, dtype=float), fractions).tolist()
    return values


def _bootstrapped(head: Sequence[Sequence[float]], base: Sequence[Sequence[float]], confidence: float) -> Estimate:
    """The mean of the sample in `head`, minus that of the sample in `base` if there is one."""
    import numpy as np

    samples = [np.asarray(sample, dtype=float) for sample in (*head, *base)]
    if not all(len(sample) for sample in samples):
        raise ValueError("no samples")
    signs = (1, -1)
    mean = sum(sign * float(sample.mean()) for sign, sample in zip(signs, samples, strict=False))
    n = min(len(sample) for sample in samples)
    if n < 2:
        return Estimate(mean, None, None, n)
    rng = np.random.default_rng(0)  # the same samples have the same interval
    means = sum(
        sign * sample[rng.integers(len(sample), size=(RESAMPLES, len(sample)))].mean(1)
        for sign, sample in zip(signs, samples, strict=False)
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    wider = _expansion(samples, confidence)
    return Estimate(mean, mean + (float(low) - mean) * wider, mean + (float(high) - mean) * wider, n)


def _expansion(samples: Sequence[np.ndarray], confidence: float) -> float:
    """How much wider Student's interval is than the bootstrap's, which takes the spread as known and divides by n."""
    parts = [(float(sample.var(ddof=1)) / len(sample), len(sample)) for sample in samples]
    total = sum(part for part, _ in parts)
    if total == 0:
        return 1.0
    freedom = total**2 / sum(part**2 / (n - 1) for part, n in parts)
    naive = sum(part * (n - 1) / n for part, n in parts)
    return _t(confidence, freedom) / _t(confidence, inf) * sqrt(total / naive)


def _exp(value: float | None) -> float | None:
    return None if value is None else exp(value)


def _t(confidence: float, freedom: float) -> float:
    from scipy.special import ndtri, stdtrit

    place = (1 + confidence) / 2
    return float(ndtri(place) if freedom == inf else stdtrit(freedom, place))
