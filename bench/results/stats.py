"""Statistics: pure functions of samples, each with its source. tests/bench/results/test_coverage.py simulates their intervals.

Every interval is Student's t, which is exact for normal noise. Ratios are taken on logarithms, so log-normal noise is
exact for them, too. Student's t also holds with heavy tails and with a few slow rounds: it then covers more than it claims.
The location that it estimates is that of the ordinary rounds. It covers it in 95 of 100 cases even if one of two or three rounds
is slow, because the spread of the sample grows with the error of its mean.

Many slow rounds break it. If each round is a third slower with probability 0.2, 95 % intervals of ten rounds cover the rate of the
ordinary rounds in 88 of 100 cases only. Such samples have two levels, which `has_two_levels` recognizes. Their interval is
widened to hold the median's, too, and then covers in 95 of 100 cases.

Limits: two rounds that are slow by exactly the same share look like two ordinary ones. If every slow round is 30 % slower and noise
is 1 %, 95 and 99 % intervals of two rounds cover 92.6 and 97.1 %. Twenty rounds of that kind cover the ordinary rate in 86 to 90 of
100 cases, since their mean and median lie off it by more than their standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, exp, log, sqrt
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

SMALLEST_EFFECT = 0.03
"""Two ratios that differ by less than this are the same for any practical purpose."""
CONFIDENCE = 0.95
"""Confidence of the interval of a figure."""
SURE = 0.99
"""Confidence of the interval that decides a verdict. At 95 % a stopping rule that looks again and again finds too many."""
MIN_OF_TWO_LEVELS = 8
"""Smallest sample in which two levels can be told from chance. In smaller ones Student's t covers both."""
LEVEL_GAP = 4.0
"""Gap between two levels, in standard deviations within them. Of normal samples of ten, 1 in 60 has one; of larger ones fewer."""

Direction = Literal["more", "less", "same", "inconclusive"]
MAX_LOG = 700.0
"""Natural logarithm of the largest ratio: e to the 710 is beyond all floats."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its confidence interval. low and high are None for fewer than two samples."""

    mean: float
    low: float | None
    high: float | None
    n: int


def estimate(samples: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean with its interval. See `mean_interval`. Raises ValueError for no samples."""
    import numpy as np

    return _estimate(np.asarray(samples, dtype=float), None, confidence)


def ratio(head: Sequence[float], base: Sequence[float], *, paired: bool, confidence: float = CONFIDENCE) -> Estimate:
    """Return the geometric mean of head over that of base, with the interval of the difference of their mean logarithms.

    paired: head[i] and base[i] were measured in the same round, so effects of the machine on both cancel out.
    All samples must be greater than 0. n is the number of pairs, or of the smaller sample. Raises ValueError for no samples.
    """
    logs = difference([log(x) for x in head], [log(x) for x in base], paired=paired, confidence=confidence)
    return Estimate(exp(min(logs.mean, MAX_LOG)), _exp(logs.low), _exp(logs.high), logs.n)


def difference(
    head: Sequence[float], base: Sequence[float], *, paired: bool, confidence: float = CONFIDENCE
) -> Estimate:
    """Return the mean of head minus that of base.

    The interval of pairs is that of their differences (`mean_interval`), otherwise `unpaired_interval`.
    """
    import numpy as np

    if paired:
        return estimate([a - b for a, b in zip(head, base, strict=True)], confidence)
    return _estimate(np.asarray(head, dtype=float), np.asarray(base, dtype=float), confidence)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison allows one to say."""

    direction: Direction
    change: Estimate
    """A ratio or a difference, with the 99 % interval that decided. Reports show this one."""
    effect: float
    """The smallest change that matters."""

    @property
    def smallest_seen(self) -> float | None:
        """The smallest change that would have been called a change: half the deciding interval's width, at least `effect`."""
        low, high = self.change.low, self.change.high
        return None if low is None or high is None else max(self.effect, (high - low) / 2)


def judge_ratio(
    head: Sequence[float], base: Sequence[float], *, paired: bool, effect: float = SMALLEST_EFFECT
) -> Verdict:
    """Judge whether the head's mean is more or less than the base's, by their ratio. See `judge`."""
    change = ratio(head, base, paired=paired, confidence=SURE)
    return Verdict(judge(change, same=1.0, effect=effect), change, effect)


def judge_difference(head: Sequence[float], base: Sequence[float], *, paired: bool, effect: float) -> Verdict:
    """Judge whether the head's mean is more or less than the base's, by their difference. See `judge`."""
    change = difference(head, base, paired=paired, confidence=SURE)
    return Verdict(judge(change, same=0.0, effect=effect), change, effect)


def judge(change: Estimate, *, same: float, effect: float) -> Direction:
    """Return the verdict on a change with its 99 % interval. One interval decides everything.

    A difference needs an interval without `same`, and a size of at least `effect`. Sameness needs an interval within that
    size of `same`. Anything else is inconclusive.

    same: the value that means no change. effect: the smallest change that matters. Equivalence by an interval within bounds
    is Westlake's (1972) and Schuirmann's (1987).
    """
    if change.low is None or change.high is None:
        return "inconclusive"
    if change.low > same and change.mean >= same + effect:
        return "more"
    if change.high < same and change.mean <= same - effect:
        return "less"
    if same - effect <= change.low and change.high <= same + effect:
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


def mean_interval(samples: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, low and high of each sample: Student's t (Student 1908), widened for samples of two levels.

    samples: [..., n], at least 2 values each. The results have shape [...].

    A sample of two levels gets the smallest interval that holds both Student's and the sign test's for the median, which lies
    between two order statistics (Thompson 1936).
    """
    import numpy as np

    n = samples.shape[-1]
    mean = samples.mean(-1)
    half = _t(confidence, n - 1) * samples.std(-1, ddof=1) / sqrt(n)
    low, high = mean - half, mean + half
    cut = _order_statistic(n, confidence)
    if cut is None:
        return mean, low, high
    ordered, mixed = np.sort(samples, axis=-1), has_two_levels(samples)
    return (
        mean,
        np.where(mixed, np.minimum(low, ordered[..., cut]), low),
        np.where(mixed, np.maximum(high, ordered[..., n - 1 - cut]), high),
    )


def interval_from(mean: float, deviation: float, n: int, confidence: float) -> tuple[float, float]:
    """Return the ends of Student's interval that n samples of this mean and standard deviation would have. n is at least 2."""
    half = float(_t(confidence, n - 1)) * deviation / sqrt(n)
    return mean - half, mean + half


def unpaired_interval(
    head: np.ndarray, base: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, low and high of head minus base: Student's t with Welch's degrees of freedom (Welch 1947).

    head: [..., n], base: [..., m]. Each sample has at least 2 values, which need not have the same variance.

    It is conservative for very small samples. With normal noise of equal variance, 95 % intervals of 2, 3, 5 and 10 values
    cover 97.6, 96.5, 95.6 and 95.1 %. The exact pooled interval would cover 92.4 % of 2 values if one side is three times
    as noisy, and two loaders often are. If a sample has two levels, the interval also holds the one that is combined from those
    of both sides (Zou, Donner 2008).
    """
    import numpy as np

    sides = (head, base)
    parts = [samples.var(-1, ddof=1) / samples.shape[-1] for samples in sides]
    total = parts[0] + parts[1]
    squares = sum(part**2 / (samples.shape[-1] - 1) for part, samples in zip(parts, sides, strict=True))
    freedom = np.divide(total**2, squares, out=np.full(np.shape(total), np.inf), where=squares > 0)
    half = _t(confidence, freedom) * np.sqrt(total)
    (mean_a, low_a, high_a), (mean_b, low_b, high_b) = (mean_interval(samples, confidence) for samples in sides)
    mean, mixed = mean_a - mean_b, has_two_levels(head) | has_two_levels(base)
    below, above = np.hypot(mean_a - low_a, high_b - mean_b), np.hypot(high_a - mean_a, mean_b - low_b)
    return (
        mean,
        mean - np.where(mixed, np.maximum(half, below), half),
        mean + np.where(mixed, np.maximum(half, above), half),
    )


def has_two_levels(samples: np.ndarray) -> np.ndarray:
    """Say for each sample of n values if its largest gap is too wide for one level. Shape [..., n] to [...]."""
    import numpy as np

    n = samples.shape[-1]
    if n < MIN_OF_TWO_LEVELS:
        return np.zeros(samples.shape[:-1], dtype=bool)
    ordered = np.sort(samples, axis=-1)
    gaps = np.diff(ordered, axis=-1)
    upper = np.arange(n) > gaps.argmax(-1)[..., None]
    size = upper.sum(-1)
    above = np.where(upper, ordered, 0).sum(-1) / size
    below = np.where(upper, 0, ordered).sum(-1) / (n - size)
    within = ordered - np.where(upper, above[..., None], below[..., None])
    two_levels: np.ndarray = gaps.max(-1) > LEVEL_GAP * np.sqrt((within**2).sum(-1) / (n - 2))
    return two_levels


def _order_statistic(n: int, confidence: float) -> int | None:
    """Return how many values of a sorted sample lie outside the median's interval on each side; None if n is too small."""
    tail, cut = 0.0, 0
    while (tail := tail + comb(n, cut) / 2**n) <= (1 - confidence) / 2:
        cut += 1
    return cut - 1 if cut else None


def _estimate(head: np.ndarray, base: np.ndarray | None, confidence: float) -> Estimate:
    sizes = [len(samples) for samples in (head, base) if samples is not None]
    if not all(sizes):
        raise ValueError("no samples")
    n = min(sizes)
    if n < 2:
        return Estimate(float(head.mean()) - (0.0 if base is None else float(base.mean())), None, None, n)
    if base is None:
        mean, low, high = mean_interval(head, confidence)
    else:
        mean, low, high = unpaired_interval(head, base, confidence)
    return Estimate(float(mean), float(low), float(high), n)


def _exp(value: float | None) -> float | None:
    """Return e to the power of a logarithm of a ratio. Absurd records give ratios that no float holds: they are cut."""
    return None if value is None else exp(min(value, MAX_LOG))


def _t(confidence: float, freedom: float | np.ndarray) -> np.ndarray:
    from scipy.special import stdtrit

    quantile: np.ndarray = stdtrit(freedom, (1 + confidence) / 2)
    return quantile
