"""What is done to the numbers of a continuous column, and the statistics that it needs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from typing import IO

import numpy as np

MAX_FLOAT32 = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberSteps:
    """What is done to numbers, in this order. None or False: nothing."""

    fill: float | None = None
    """Replaces missing values."""
    least: float | None = None
    greatest: float | None = None
    log1p: bool = False
    mean: float | None = None
    """Mean and standard deviation after the other steps, for normalizing."""
    deviation: float | None = None

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return float64 [B] with the steps done. values: float64 [B] with NaN for what is missing. Leaves them as they are."""
        values = self.shaped(values if self.fill is None else np.where(np.isnan(values), self.fill, values))
        if self.mean is None or self.deviation is None:
            return values
        return (values - self.mean) / (self.deviation or 1.0)

    def clipped(self, values: np.ndarray) -> np.ndarray:
        """Return the values within the bounds."""
        if self.least is None and self.greatest is None:
            return values
        clipped: np.ndarray = np.clip(values, self.least, self.greatest)
        return clipped

    def shaped(self, values: np.ndarray) -> np.ndarray:
        """Return the values clipped and with their logarithm taken. Clipped values must be above -1 for that."""
        shaped: np.ndarray = self.clipped(values)
        return np.log1p(shaped) if self.log1p else shaped


@dataclass(slots=True)
class Moments:
    """Count, mean and sum of squared deviations, added up chunk by chunk (Chan, Golub, LeVeque 1979)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: np.ndarray) -> None:
        """Add float64 [B] without NaN."""
        if len(values):
            with np.errstate(
                over="ignore", invalid="ignore"
            ):  # numbers near 1e300: they are refused if they are needed
                self.merge(Moments(len(values), float(values.mean()), float(values.var()) * len(values)))

    def merge(self, other: Moments) -> None:
        """Add what another one has seen."""
        if not other.count:
            return
        total = self.count + other.count
        apart = other.mean - self.mean
        self.squares += other.squares + apart * apart * self.count * other.count / total
        self.mean += apart * other.count / total
        self.count = total

    @property
    def deviation(self) -> float:
        """Standard deviation of a sample (n - 1), as pandas and NVTabular compute it; 0 for one value."""
        return float((self.squares / (self.count - 1)) ** 0.5) if self.count > 1 else 0.0


@dataclass(slots=True)
class NumberSpool:
    """Keeps a column's numbers in a temporary file, for its exact median: 8 bytes a row on disk."""

    _file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    count: int = 0

    def add(self, values: np.ndarray) -> None:
        """Append float64 [B] without NaN."""
        self._file.write(np.ascontiguousarray(values, np.float64).tobytes())
        self.count += len(values)

    def median(self) -> float | None:
        """Return the median, the mean of the two middle values for an even count; None without values."""
        if not self.count:
            return None
        self._file.flush()
        values = np.memmap(self._file, np.float64, "r+")
        middle = self.count // 2
        values.partition([middle - 1, middle] if self.count > 1 else [0])
        return float(values[middle]) if self.count % 2 else float((values[middle - 1] + values[middle]) / 2)
