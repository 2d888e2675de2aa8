"""Where a series of measurements changed for good: numbers in, positions out."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt
from statistics import fmean, median

import numpy as np

MIN_POINTS = 5
"""A shorter series has no noise to speak of, so no change beyond it."""
MIN_RUNS = 2
"""Runs that a new level must hold for: one alone is an outlier."""
CHANCE = 0.001
"""Of marking a change in a series that has none, all its positions together."""
NOISE_FLOOR = 0.001
"""Least standard deviation taken for granted, in the unit of the series: equal numbers do not make a hair's breadth a change."""


def change_points(values: Sequence[float], effect: float) -> list[int]:
    """Positions of the first value of each new level, in order.

    Candidates come from PELT's criterion with a penalty of 3 log(n) times the variance (Killick, Fearnhead, Eckley 2012), by the
    `ruptures` library; the variance is a robust one of provenance_diff between neighbours, which a change of level does not inflate.
    Candidates are generous where a series is short, so each must then hold in a t test of its two levels, corrected for the
    number of positions it could have had, and be at least `effect` in size. The weakest is dropped first, until all hold.
    """
    if len(values) < MIN_POINTS:
        return []
    found = _candidates(np.asarray(values, dtype=float))
    while found:
        edges = [0, *found, len(values)]
        sides = [
            (values[start:at], values[at:end]) for start, at, end in zip(edges, edges[1:], edges[2:], strict=False)
        ]
        margins = [_margin(before, after, len(values), effect) for before, after in sides]
        weakest = min(range(len(found)), key=margins.__getitem__)
        if margins[weakest] >= 1:
            break
        del found[weakest]
    return found


def _candidates(values: np.ndarray) -> list[int]:
    from ruptures import KernelCPD  # brings SciPy with it: not at import

    sigma = max(1.4826 * median(np.abs(np.diff(values))) / sqrt(2), NOISE_FLOOR)
    search = KernelCPD(kernel="linear", min_size=MIN_RUNS).fit(values / sigma)
    return [int(at) for at in search.predict(pen=3 * log(len(values)))[:-1]]


def _margin(before: Sequence[float], after: Sequence[float], positions: int, effect: float) -> float:
    """How far a step is past both thresholds, certainty and size: at least 1 where it holds."""
    from scipy.stats import t

    step = abs(fmean(after) - fmean(before))
    freedom = len(before) + len(after) - 2
    squares = sum((x - fmean(side)) ** 2 for side in (before, after) for x in side)
    error = max(sqrt(squares / freedom), NOISE_FLOOR) * sqrt(1 / len(before) + 1 / len(after))
    return min(step / (error * float(t.ppf(1 - CHANCE / 2 / positions, freedom))), step / effect)
