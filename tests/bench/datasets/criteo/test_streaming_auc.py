from __future__ import annotations

import numpy as np
import pytest

from feedrate.bench.consumer.auc import auc
from feedrate.bench.datasets.criteo.streaming_auc import MAX_SCORE, StreamingAuc


def test_it_is_the_auc_of_all_scores_whatever_the_chunks() -> None:
    rng = np.random.default_rng(0)
    scores = (1.4 * rng.standard_normal(100_000) - 4).astype(np.float32)
    labels = (rng.random(100_000) < 1 / (1 + np.exp(-scores))).astype(np.float32)
    whole, parts = StreamingAuc(), StreamingAuc()
    whole.add(scores, labels)
    for part in np.array_split(np.arange(100_000), 7):
        parts.add(scores[part], labels[part])
    assert whole.result() == parts.result() == pytest.approx(auc(scores, labels), abs=1e-6)


def test_ties_count_half_and_scores_beyond_the_bins_keep_their_order() -> None:
    curve = StreamingAuc()
    curve.add(np.float32([-2 * MAX_SCORE, 0, 0, 2 * MAX_SCORE]), np.float32([0, 0, 1, 1]))
    assert curve.result() == (1 + 1 + 1 + 0.5) / 4


def test_one_class_has_no_auc() -> None:
    curve = StreamingAuc()
    curve.add(np.float32([1, 2]), np.float32([0, 0]))
    assert np.isnan(curve.result())
