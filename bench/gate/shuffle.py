"""Measures how well an epoch is shuffled, from 0 (file order) to 1 (an ideal shuffle).

A shuffle can fail in two ways, and each is invisible to the measure of the other:
  displacement  rows stay near their place in the files: chunks are shuffled internally, but read in order
  diversity     rows of a batch come from one place: chunks are in random order, but not mixed with each other
Both are mean distances in the files, divided by those of random permutations of the same sample. Quality is the smaller
of the two. The same permutations give the lowest quality to expect of an ideal shuffle.
scDataset (2025) and annbatch use batch diversity. The mean distance of pairs is Gini's mean difference.
"""

from __future__ import annotations

import numpy as np
import torch

from feedrate.bench.datasets.rows.order_sample import OrderSample
from feedrate.bench.results.record import ShuffleRecord

IDEAL_SHUFFLES = 100
"""Random permutations that an epoch is compared with."""
SIGMAS = 4.5
"""Standard deviations below the mean of random permutations at which the expected range ends: about 1 ideal shuffle of 50,000 is lower."""
MIN_SAMPLES = 64
"""Sampled rows below which there is no result."""


class ShuffleWatch:
    """Watches an epoch's row hashes batch by batch, on their device, and records when the sampled rows arrive."""

    def __init__(self, order_sample: OrderSample, rows: int, device: str) -> None:
        self._order_sample, self._rows = order_sample, rows
        self._hashes = torch.from_numpy(order_sample.hashes).to(device)
        # one slot more than there are sampled rows, shared by all rows outside the sample
        self._arrivals = torch.zeros(len(self._hashes) + 1, dtype=torch.int64, device=device)
        self._times = torch.zeros_like(self._arrivals)
        self._seen = 0

    def add(self, hashes: torch.Tensor) -> None:
        """Add the row hashes of the next batch, int64 [B]. Does not wait for the device."""
        outside = len(self._hashes)
        if outside:
            slot = torch.searchsorted(self._hashes, hashes).clamp_(max=outside - 1)
            slot = torch.where(self._hashes[slot] == hashes, slot, outside)
            position = torch.arange(self._seen, self._seen + len(hashes), device=hashes.device)
            self._arrivals.scatter_(0, slot, position)
            self._times.scatter_add_(0, slot, torch.ones_like(slot))
        self._seen += len(hashes)

    def result(self, batch_size: int) -> ShuffleRecord | None:
        """Return the quality of the epoch, or None if too few sampled rows arrived exactly once."""
        once = (self._times[:-1] == 1).cpu().numpy()
        arrivals = self._arrivals[:-1].cpu().numpy()
        return quality(self._order_sample.places[once], arrivals[once], rows=self._rows, batch_size=batch_size)


def quality(places: np.ndarray, arrivals: np.ndarray, *, rows: int, batch_size: int) -> ShuffleRecord | None:
    """Compare the order of K sampled rows with that of random permutations. Returns None for fewer than MIN_SAMPLES.

    places: float [K], position of each sampled row in the files, from 0 to 1.
    arrivals: int [K], position of each sampled row in the epoch, from 0 to rows - 1.
    """
    if len(places) < MIN_SAMPLES:
        return None
    time, batch = arrivals / rows, arrivals // batch_size
    rng = np.random.default_rng(0)
    ideal = np.array([_distances(rng.permutation(places), time, batch) for _ in range(IDEAL_SHUFFLES)])
    means = ideal.mean(0)
    displacement, diversity = _distances(places, time, batch) / means
    # Each measure has its own range: the smaller of the two is not normal, and its standard deviation is too small.
    spread = (ideal / means).std(0, ddof=1).max()
    return ShuffleRecord(
        quality=_clipped(min(displacement, diversity)),
        displacement=_clipped(displacement),
        diversity=_clipped(diversity),
        expected_low=_clipped(1 - SIGMAS * spread),
        samples=len(places),
    )


def _distances(places: np.ndarray, time: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Return two mean distances in the files: of a row from its place in time, and between two rows of a batch."""
    return np.array([np.abs(places - time).mean(), _pair_distance(places, batch)])


def _pair_distance(places: np.ndarray, batch: np.ndarray) -> float:
    """Return the mean |a - b| over the pairs of each batch, weighted by samples. One sample alone has no pairs."""
    order = np.lexsort((places, batch))
    _, start, inverse, sizes = np.unique(batch[order], return_index=True, return_inverse=True, return_counts=True)
    rank = np.arange(len(places)) - start[inverse]
    size = sizes[inverse]
    paired = size > 1
    if not paired.any():
        return 1.0
    # over sorted values, the sum of all |a - b| is the sum of (2 rank - size + 1) value
    weight = 2.0 * (2 * rank[paired] - size[paired] + 1) / (size[paired] - 1)
    return float((weight * places[order][paired]).sum() / paired.sum())


def _clipped(value: float) -> float:
    return round(float(min(max(value, 0.0), 1.0)), 4)
