"""The columns of Criteo's click logs: how many values they have, how the values are distributed, and how often they are missing.

Cardinalities: the table sizes in recipes of DLRM and DCN for the Kaggle Display Advertising Challenge, 3 to 10,131,227.
They count the missing value. Its training set has 45,840,617 rows. Means: the constants of AutoInt's
Dataprocess/Criteo/scale.py for the same rows. Gaps: approximate shares of empty fields.

Ids follow a power law that needs no table, so a column of 10 M ids costs no memory. An id is floor(x^10), where x is
uniform on [1, (values + 1)^0.1). Its density falls like id^-0.9. Counts follow a Lomax (Pareto II) distribution.
A draw needs only multiplication, division and square roots, which give the same bits on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

KAGGLE_ROWS = 45_840_617
MAX_COUNT = 2**24 - 1
"""Counts stop here, so that float32 holds each of them exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdColumn:
    """A categorical column. Values have the ids 1, 2, ... in order of expected frequency, and 0 is the missing value."""

    name: str
    values: int
    """Number of values without the missing one."""
    gap_fraction: float
    """Share of rows without a value. Columns with the same share lack it in the same rows, as in Criteo's files."""

    @property
    def cardinality(self) -> int:
        """The number of possible ids, including 0."""
        return self.values + 1

    def draw(self, rows: int, rng: np.random.Generator) -> np.ndarray:
        """Draw ids without gaps, int32 [rows]."""
        x = rng.random(rows)
        x *= (self.values + 1) ** 0.1 - 1
        x += 1
        square = x * x
        np.multiply(square, square, out=x)
        x *= x
        x *= square
        ids = x.astype(np.int32)
        return np.minimum(ids, self.values, out=ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountColumn:
    """A continuous column of counts with a long tail."""

    name: str
    mean: float
    """Approximate mean of the counts that are there."""
    heavy: bool
    """Whether the tail falls with the power 2 instead of 4."""
    gap_fraction: float
    """As for IdColumn."""

    def draw(self, rows: int, rng: np.random.Generator) -> np.ndarray:
        """Draw counts without gaps, int32 [rows]: floor(scale (u^(-1/power) - 1)) for u uniform on (0, 1]."""
        scale = (self.mean + 0.5) * (1 if self.heavy else 3)
        x = rng.random(rows)
        np.subtract(1, x, out=x)
        np.sqrt(x, out=x)
        if not self.heavy:
            np.sqrt(x, out=x)
        np.divide(scale, x, out=x)
        x -= scale
        np.minimum(x, MAX_COUNT, out=x)
        return x.astype(np.int32)


def id_columns(rows: int) -> tuple[IdColumn, ...]:
    """Return C1 to C26. From 45.8 M rows on they have Criteo's cardinalities, and fewer rows touch fewer values."""
    columns = []
    for number, cardinality in enumerate(_CARDINALITIES, start=1):
        gap = _ID_GAPS.get(number, 0.0)
        # the published number counts the missing value only where there is one
        values = _touched_values(cardinality - 1 if gap else cardinality, rows)
        columns.append(IdColumn(name=f"C{number}", values=values, gap_fraction=gap))
    return tuple(columns)


def count_columns() -> tuple[CountColumn, ...]:
    """Return I1 to I13."""
    return tuple(
        CountColumn(name=f"I{number}", mean=mean, heavy=number in _HEAVY_TAILS, gap_fraction=gap)
        for number, (mean, gap) in enumerate(zip(_MEANS, _COUNT_GAPS, strict=True), start=1)
    )


def _touched_values(values: int, rows: int) -> int:
    reached = min(1.0, _expected_distinct(values, rows) / _expected_distinct(values, KAGGLE_ROWS))
    return max(1, round(values * reached))


def _expected_distinct(values: int, rows: int) -> float:
    """Return how many distinct values `rows` draws touch on average. Neighbouring ids are taken together, on a log scale."""
    edges = np.unique(np.geomspace(1, values + 1, 4096).round())
    width = np.diff(edges)
    share = np.diff(edges**0.1) / ((values + 1) ** 0.1 - 1)
    return float((width * -np.expm1(-rows * share / width)).sum())


_CARDINALITIES = (
    1460, 583, 10_131_227, 2_202_608, 305, 24, 12_517, 633, 3, 93_145, 5683, 8_351_593, 3194,
    27, 14_992, 5_461_306, 10, 5652, 2173, 4, 7_046_547, 18, 15, 286_181, 105, 142_572,
)  # fmt: skip
_ID_GAPS = {
    **dict.fromkeys((3, 4, 12, 16, 21, 24), 0.034),
    **dict.fromkeys((19, 20, 25, 26), 0.44),
    6: 0.121,
    22: 0.762,
}
_MEANS = (3.50, 105.85, 26.91, 7.32, 18_538.99, 116.06, 16.33, 12.52, 106.11, 0.62, 2.73, 0.99, 8.22)
_COUNT_GAPS = (0.454, 0.0, 0.215, 0.217, 0.026, 0.224, 0.043, 0.0005, 0.043, 0.454, 0.043, 0.765, 0.217)
_HEAVY_TAILS = frozenset({1, 2, 3, 5, 6, 7, 12})
"""Columns whose standard deviation in Criteo's files is more than 2.5 times their mean."""
