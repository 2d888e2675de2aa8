"""Pure functions of samples; each names its source."""

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
"""A ratio nearer to 1 than this is the same for any practical purpose."""
CONFIDENCE = 0.95
SURE = 0.99
"""Confidence of a verdict of difference: a stop rule that looks again and again finds too many at 95 %."""

Direction = Literal["more", "less", "same", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its confidence interval; low and high are None where fewer than two samples leave it unknown."""

    mean: float
    low: float | None
    high: float | None
    n: int


def estimate(samples: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Student's t interval of the mean (Student 1908). Raises ValueError for no samples."""
    if not samples:
        raise ValueError("no samples")
    mean, n = fmean(samples), len(samples)
    if n < 2:
        return Estimate(mean, None, None, n)
    half = _t(confidence, n - 1) * stdev(samples) / sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def ratio(head: Sequence[float], base: Sequence[float], *, paired: bool, confidence: float = CONFIDENCE) -> Estimate:
    """Geometric mean of head over that of base, with a bootstrap interval.

    paired: head[i] and base[i] were measured in the same round, so what the machine did to both cancels.
    All samples must be over 0. n is the number of pairs, or of the smaller sample. Raises ValueError for no samples.

    The means of logarithms are resampled (Efron, Tibshirani 1993), and the percentile interval is widened about its
    middle to Student's t, because with few samples it is too narrow by construction (Hesterberg 2015, "expanded
    percentile"; two samples by Welch's degrees of freedom).
    """
    heads, bases = [log(x) for x in head], [log(x) for x in base]
    if paired:
        pairs = [a - b for a, b in zip(heads, bases, strict=True)]
        found = _bootstrapped([pairs], [], confidence)
    else:
        found = _bootstrapped([heads], [bases], confidence)
    return Estimate(exp(found.mean), _exp(found.low), _exp(found.high), found.n)


def difference(
    head: Sequence[float], base: Sequence[float], *, paired: bool, confidence: float = CONFIDENCE
) -> Estimate:
    """Mean of head less that of base, with the same interval as `ratio`."""
    if paired:
        return _bootstrapped([[a - b for a, b in zip(head, base, strict=True)]], [], confidence)
    return _bootstrapped([head], [base], confidence)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison allows to say."""

    direction: Direction
    change: Estimate
    """A ratio or a difference, with its 95 % interval."""
    sure: Estimate
    """The same with the 99 % interval that decides."""
    effect: float
    """What is too small to matter."""

    @property
    def smallest_seen(self) -> float | None:
        """The smallest change that would have been called one: half the width of the interval that decides, or what matters."""
        sure = self.sure
        return None if sure.low is None or sure.high is None else max(self.effect, (sure.high - sure.low) / 2)


def judge_ratio(
    head: Sequence[float], base: Sequence[float], *, paired: bool, effect: float = SMALLEST_EFFECT
) -> Verdict:
    """Is the head's mean more or less than the base's? See `judge`."""
    usual, sure = (ratio(head, base, paired=paired, confidence=confidence) for confidence in (CONFIDENCE, SURE))
    return Verdict(judge(usual, sure, same=1.0, effect=effect), usual, sure, effect)


def judge_difference(head: Sequence[float], base: Sequence[float], *, paired: bool, effect: float) -> Verdict:
    """Is the head's mean more or less than the base's, counted in their own unit? See `judge`."""
    usual, sure = (difference(head, base, paired=paired, confidence=confidence) for confidence in (CONFIDENCE, SURE))
    return Verdict(judge(usual, sure, same=0.0, effect=effect), usual, sure, effect)


def judge(usual: Estimate, sure: Estimate, *, same: float, effect: float) -> Direction:
    """A verdict of difference needs significance (99 %) and a size; one of sameness needs the 95 % interval within that
    size; what has neither is inconclusive.

    same: the value that means no change. effect: what is too small to matter. Equivalence by an interval within bounds is
    Westlake's (1972) and Schuirmann's (1987).
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
    """Linear interpolation between order statistics (Hyndman, Fan 1996, type 7). Raises ValueError for no samples."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    place = fraction * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _bootstrapped(head: Sequence[Sequence[float]], base: Sequence[Sequence[float]], confidence: float) -> Estimate:
    """Mean of the one sample in `head`, less that of the one in `base` where there is one."""
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
    """How much wider Student's interval is than the bootstrap's, which takes the spread for known and divides by n."""
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
