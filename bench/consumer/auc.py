"""Area under the ROC curve, on whatever device the scores are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import numpy as np


def auc(scores: torch.Tensor | np.ndarray, labels: torch.Tensor | np.ndarray) -> float:
    """The probability that a positive scores above a negative, ties counting half.

    scores and labels: [N], labels 0 or 1. NaN where one class is missing. Mann-Whitney's U over midranks
    (Hanley, McNeil 1982), in float64: equal to scikit-learn's roc_auc_score.
    """
    scores, labels = torch.as_tensor(scores), torch.as_tensor(labels)
    ordered, order = torch.sort(scores)
    _, counts = torch.unique_consecutive(ordered, return_counts=True)
    last = torch.cumsum(counts, 0)
    midranks = (last - counts + 1 + last).double() / 2
    positive = labels[order] > 0.5
    ranks = torch.repeat_interleave(midranks, counts, output_size=len(scores))
    positives = positive.sum().double()
    negatives = len(scores) - positives
    u = (ranks * positive).sum() - positives * (positives + 1) / 2
    return float((u / (positives * negatives)).item())
