"""Recognises batches that come again, by the sums of their words: within an epoch, or in a later one."""

from __future__ import annotations

import numpy as np

MIN_ROWS = 32
"""Rows of a batch below which equal sums can be a coincidence."""
MIN_BATCHES = 2
"""Batches that must have been in one earlier epoch in any case."""
MAX_KEPT = 500_000
"""Batches that are remembered."""
MANY = 0.5
"""Share of an epoch's batches that must have been in one earlier epoch."""


class RepeatedBatches:
    """Compares each epoch's batches with those of the epochs before."""

    def __init__(self, batch_size: int) -> None:
        self._meaningful = batch_size >= MIN_ROWS
        self._epoch_of: dict[bytes, str] = {}
        self._orders: dict[str, list[bytes]] = {}
        self.sentence = ""
        """Tells of the first epoch that has many batches of an earlier one. Empty if there is none."""

    def add(self, title: str, sums: np.ndarray) -> None:
        """Take the sums of the next epoch's batches, uint64 [batches, tensors]. title: of the epoch, for the sentence."""
        keys = _keys(sums)
        if not self._meaningful or len(keys) < 2 or len(set(keys)) < len(keys) or self.sentence:
            return
        earlier = [self._epoch_of[key] for key in keys if key in self._epoch_of]
        before = max(set(earlier), key=earlier.count, default="")
        if earlier.count(before) >= max(MANY * len(keys), MIN_BATCHES):
            order = "in the same order" if self._orders[before] == keys else "in another order"
            share = "the" if earlier.count(before) == len(keys) else "many of the"
            self.sentence = f"{title} had {share} batches of {before} {order}"
        elif len(self._epoch_of) < MAX_KEPT:
            self._epoch_of.update(dict.fromkeys(keys, title))
            self._orders[title] = keys

    def within(self, sums: np.ndarray) -> tuple[int, int] | None:
        """Return the numbers of the first two batches of an epoch with the same sums, or None. Small batches do not count."""
        if not self._meaningful:
            return None
        first: dict[bytes, int] = {}
        for number, key in enumerate(_keys(sums)):
            if key in first:
                return first[key], number
            first[key] = number
        return None


def _keys(sums: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in np.ascontiguousarray(sums)]
