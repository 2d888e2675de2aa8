"""Derives the seed of a library's random generator from the run's seed and the epoch."""

from __future__ import annotations

import numpy as np

from feedrate.loaders.errors import require_whole


def seed_of(seed: int, epoch: int, *more: int, bits: int = 63) -> int:
    """Return a seed below 2**bits that is different, and unrelated, for each (seed, epoch, *more).

    Sums such as seed + epoch are no good: seed 1 in epoch 0 would have the order of seed 0 in epoch 1.
    more: further whole numbers, such as the number of a window or of a worker.
    bits: what the library accepts, 1 to 64. NumPy's old generators take 32.
    """
    require_whole("bits", bits, 1)
    state = np.random.SeedSequence((seed, epoch, *more)).generate_state(1, np.uint64)[0]
    return int(state) >> max(64 - bits, 0)
