from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from feedrate.bench.consumer.auc import auc


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2).filter(
        lambda pairs: len({label for _, label in pairs}) == 2
    )
)
def test_the_auc_with_ties_equals_scikit_learn_s(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in pairs], np.float32)
    labels = np.array([label for _, label in pairs], np.float32)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_the_auc_of_many_rows_equals_scikit_learn_s() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.standard_normal(300_000).astype(np.float32), rng.integers(0, 2, 300_000)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)


def test_the_auc_of_a_single_class_is_nan() -> None:
    assert math.isnan(auc(torch.tensor([0.1, 0.2]), torch.tensor([1.0, 1.0])))
