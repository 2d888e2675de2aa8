"""A sample of a split's rows, identified by their hashes. It shows an epoch's order without a row number in the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feedrate.loaders.errors import FeedrateError

MIN_SAMPLED_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class OrderSample:
    """Evenly spaced rows whose hashes are unique in the sample."""

    hashes: np.ndarray
    """int64 [K], ascending."""
    places: np.ndarray
    """float64 [K]: position in the files, from 0 up to 1."""

    @classmethod
    def read(cls, path: Path, rows: int) -> OrderSample:
        """Read a sample. rows: of the split. Raises FeedrateError for a file that is not an order sample."""
        try:
            with path.open("rb") as file:
                positions, hashes = np.load(file)
        except (OSError, ValueError) as error:
            raise FeedrateError(
                f"{path} cannot be read ({error}): prepare the dataset again with --overwrite"
            ) from error
        unique, first, counts = np.unique(hashes, return_index=True, return_counts=True)
        alone = counts == 1
        return cls(unique[alone], positions[first[alone]] / rows)


class OrderSampleWriter:
    """Keeps every 2^k-th row of a stream of unknown length: between MIN_SAMPLED_ROWS and twice as many, or all if there are fewer."""

    def __init__(self) -> None:
        self._step = 1
        self._kept = np.zeros((2, 0), np.int64)

    def add(self, hashes: np.ndarray, *, first_row: int) -> None:
        """Take the hashes of the next rows, int64 [B]."""
        start = -first_row % self._step
        positions = np.arange(first_row + start, first_row + len(hashes), self._step)
        self._kept = np.concatenate([self._kept, np.stack([positions, hashes[start :: self._step]])], axis=1)
        while self._kept.shape[1] >= 2 * MIN_SAMPLED_ROWS:
            self._kept = self._kept[:, ::2]
            self._step *= 2

    def write(self, path: Path) -> None:
        """Write int64 [2, K]: positions and hashes."""
        path.parent.mkdir(exist_ok=True)
        np.save(path, self._kept)
