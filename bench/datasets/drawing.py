"""What the parts of a synthetic dataset share. Each part draws its rows from a seed of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

World = TypeVar("World")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing(Generic[World]):
    """A dataset that is drawn."""

    world: World
    rows: int
    seed: int
    part_rows: int

    @property
    def parts(self) -> range:
        """The numbers of its parts."""
        return range(-(-self.rows // self.part_rows))

    def part(self, number: int) -> tuple[np.ndarray, np.random.Generator]:
        """Return the places of a part's rows in the dataset, int64 [B], and what draws them."""
        start = number * self.part_rows
        places = np.arange(start, min(start + self.part_rows, self.rows))
        return places, np.random.default_rng((self.seed, 1, number))
