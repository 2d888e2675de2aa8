"""The AUC of scores that are seen once, in memory that does not grow with them."""

from __future__ import annotations

import numpy as np

BINS_PER_UNIT = 8192
MAX_SCORE = 16
"""Scores beyond +-MAX_SCORE share the outer bins."""


class StreamingAuc:
    """Counts the scores of both classes in bins of 1/8192 of log-odds. Scores in one bin count as ties.

    A pair in one bin is ordered correctly only slightly more often than a tie is, so the AUC is right to about 1e-6.
    """

    def __init__(self) -> None:
        self._counts = np.zeros((2, 2 * MAX_SCORE * BINS_PER_UNIT), np.int64)

    def add(self, scores: np.ndarray, labels: np.ndarray) -> None:
        """Take float32 scores (log-odds) and labels, 0 or 1, both [B]."""
        bins = np.floor(scores.astype(np.float64) * BINS_PER_UNIT).astype(np.int64) + MAX_SCORE * BINS_PER_UNIT
        np.clip(bins, 0, self._counts.shape[1] - 1, out=bins)
        np.add.at(self._counts, (labels.astype(np.int64), bins), 1)

    def result(self) -> float:
        """Return the probability that a positive scores above a negative, NaN if there is no pair."""
        negatives, positives = self._counts
        below = np.cumsum(negatives) - negatives / 2
        pairs = float(negatives.sum()) * float(positives.sum())
        return float(positives @ below) / pairs if pairs else float("nan")
