"""Pure functions of samples; each names its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its confidence interval; low and high are None where fewer than two samples leave it unknown."""

    mean: float
    low: float | None
    high: float | None
    n: int


def estimate(samples: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Student's t interval of the mean (Student 1908). Raises ValueError for no samples."""
    if not samples:
        raise ValueError("no samples")
    mean, n = fmean(samples), len(samples)
    if n < 2:
        return Estimate(mean, None, None, n)
    half = _t(confidence, n - 1) * stdev(samples) / sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def percentile(samples: Sequence[float], fraction: float) -> float:
    """Linear interpolation between order statistics (Hyndman, Fan 1996, type 7). Raises ValueError for no samples."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    place = fraction * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _t(confidence: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))
