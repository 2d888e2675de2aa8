"""How well an epoch is mixed, as a number from 0 (file order) to 1 (an ideal shuffle), with what an ideal one would show.

Two things can be wrong with a shuffle, and each alone looks fine by the other's measure:
  displacement  rows stay near their place in the files: chunks shuffled within, but read in order
  diversity     rows of a batch come from one place: chunks in random order, but not mixed with each other
Both are mean distances in the files, divided by what random permutations of the same sample show; quality is the lesser.
Batch diversity is what scDataset (2025) and annbatch look at; the mean distance of pairs is Gini's mean difference.
"""

from __future__ import annotations

import numpy as np
import torch

from feedrate.bench.datasets.order_sample import OrderSample
from feedrate.bench.results.record import ShuffleRecord

IDEAL_SHUFFLES = 100
MIN_SAMPLES = 64


class ShuffleWatch:
    """Sees an epoch's row hashes batch by batch, on their device, and remembers where the order_sample's rows came."""

    def __init__(self, order_sample: OrderSample, rows: int, device: str) -> None:
        self._order_sample, self._rows = order_sample, rows
        self._hashes = torch.from_numpy(order_sample.hashes).to(device)
        # one place more than there are sampled rows: for all rows that are none
        self._came = torch.zeros(len(self._hashes) + 1, dtype=torch.int64, device=device)
        self._times = torch.zeros_like(self._came)
        self._seen = 0

    def add(self, hashes: torch.Tensor) -> None:
        """The next batch's row hashes, int64 [B]. Does not wait for the device."""
        none = len(self._hashes)
        if none:
            place = torch.searchsorted(self._hashes, hashes).clamp_(max=none - 1)
            place = torch.where(self._hashes[place] == hashes, place, none)
            moment = torch.arange(self._seen, self._seen + len(hashes), device=hashes.device)
            self._came.scatter_(0, place, moment)
            self._times.scatter_add_(0, place, torch.ones_like(place))
        self._seen += len(hashes)

    def result(self, batch_size: int) -> ShuffleRecord | None:
        """None where too few sampled rows came to say anything."""
        once = (self._times[:-1] == 1).cpu().numpy()
        came = self._came[:-1].cpu().numpy()
        return quality(self._order_sample.places[once], came[once], rows=self._rows, batch_size=batch_size)


def quality(places: np.ndarray, came: np.ndarray, *, rows: int, batch_size: int) -> ShuffleRecord | None:
    """places: where sampled rows lie in the files, 0..1, float [K]. came: when each was delivered, 0..rows-1, int [K]."""
    if len(places) < MIN_SAMPLES:
        return None
    time, batch = came / rows, came // batch_size
    rng = np.random.default_rng(0)
    ideal = np.array([_distances(rng.permutation(places), time, batch) for _ in range(IDEAL_SHUFFLES)])
    means = ideal.mean(0)
    displacement, diversity = _distances(places, time, batch) / means
    lesser = np.minimum.reduce(ideal / means, axis=1)
    return ShuffleRecord(
        quality=_clipped(min(displacement, diversity)),
        displacement=_clipped(displacement),
        diversity=_clipped(diversity),
        expected_low=_clipped(lesser.mean() - 4 * lesser.std()),  # 4 sigma: one of 30,000 ideal shuffles lies below
        samples=len(places),
    )


def _distances(places: np.ndarray, time: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Mean distance in the files of a row from its place in time, and of two rows of a batch from each other."""
    return np.array([np.abs(places - time).mean(), _within(places, batch)])


def _within(places: np.ndarray, batch: np.ndarray) -> float:
    """Mean |a - b| over the pairs of a batch, batches weighted by their samples; one sample alone has no pair."""
    order = np.lexsort((places, batch))
    _, start, inverse, sizes = np.unique(batch[order], return_index=True, return_inverse=True, return_counts=True)
    rank = np.arange(len(places)) - start[inverse]
    size = sizes[inverse]
    paired = size > 1
    if not paired.any():
        return 1.0
    # over sorted values, sum of all |a - b| = sum of (2 rank - size + 1) value
    weight = 2.0 * (2 * rank[paired] - size[paired] + 1) / (size[paired] - 1)
    return float((weight * places[order][paired]).sum() / paired.sum())


def _clipped(value: float) -> float:
    return round(float(min(max(value, 0.0), 1.0)), 4)
