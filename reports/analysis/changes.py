"""Finds where a series of measurements changed for good. Takes numbers and returns positions."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt
from statistics import fmean, median

import numpy as np

MIN_POINTS = 5
"""Shortest series that is judged. The noise of a shorter one cannot be estimated."""
MIN_RUNS = 2
"""Number of runs that a new level must last. A single run is an outlier."""
CHANCE = 0.001
"""Probability of marking a change in a series that has none, over all its positions together."""
NOISE_FLOOR = 0.001
"""Minimum standard deviation to assume, in the unit of the series.

Without it, a tiny step between equal numbers would be a change.
"""


def change_points(values: Sequence[float], effect: float) -> list[int]:
    """Return the position of the first value of each new level, in order.

    effect: smallest step that counts, in the unit of `values`.

    Candidates come from PELT's criterion with a penalty of 3 log(n) times the variance (Killick, Fearnhead, Eckley
    2012), as the `ruptures` library implements it. The variance is a robust estimate from differences between
    neighbours, which a change of level does not inflate. In a short series this finds too many candidates. Each one
    must therefore be at least `effect` in size, and pass a t test of its two levels. The test is corrected for the
    number of positions that the candidate could have had. The weakest candidate is dropped first, until all hold.
    """
    if len(values) < MIN_POINTS:
        return []
    positions = _candidates(np.asarray(values, dtype=float))
    while positions:
        edges = [0, *positions, len(values)]
        levels = [
            (values[start:at], values[at:end]) for start, at, end in zip(edges, edges[1:], edges[2:], strict=False)
        ]
        margins = [_margin(before, after, len(values), effect) for before, after in levels]
        weakest = min(range(len(positions)), key=margins.__getitem__)
        if margins[weakest] >= 1:
            break
        del positions[weakest]
    return positions


def _candidates(values: np.ndarray) -> list[int]:
    from ruptures import KernelCPD  # imports SciPy, so not at the top of the module

    sigma = max(1.4826 * median(np.abs(np.diff(values))) / sqrt(2), NOISE_FLOOR)
    search = KernelCPD(kernel="linear", min_size=MIN_RUNS).fit(values / sigma)
    return [int(at) for at in search.predict(pen=3 * log(len(values)))[:-1]]


def _margin(before: Sequence[float], after: Sequence[float], n_positions: int, effect: float) -> float:
    """Divide a step by its two thresholds, certainty and size, and return the smaller ratio. It holds from 1 on."""
    from scipy.stats import t

    step = abs(fmean(after) - fmean(before))
    degrees_of_freedom = len(before) + len(after) - 2
    squares = float(sum(np.var(side) * len(side) for side in (before, after)))
    standard_error = max(sqrt(squares / degrees_of_freedom), NOISE_FLOOR) * sqrt(1 / len(before) + 1 / len(after))
    return min(step / (standard_error * float(t.ppf(1 - CHANCE / 2 / n_positions, degrees_of_freedom))), step / effect)
