"""Area under the ROC curve, computed on the device that holds the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import numpy as np


def auc(scores: torch.Tensor | np.ndarray, labels: torch.Tensor | np.ndarray) -> float:
    """Return the probability that a positive row scores above a negative one. Ties count half.

    scores and labels have shape [N], and labels are 0 or 1. The result is NaN if one class is missing.
    Formula: Mann-Whitney's U over midranks (Hanley, McNeil 1982) in float64, which equals scikit-learn's roc_auc_score.
    """
    scores, labels = torch.as_tensor(scores), torch.as_tensor(labels)
    sorted_scores, order = torch.sort(scores)
    _, counts = torch.unique_consecutive(sorted_scores, return_counts=True)
    last_ranks = torch.cumsum(counts, 0)
    midranks = (last_ranks - counts + 1 + last_ranks).double() / 2
    is_positive = labels[order] > 0.5
    ranks = torch.repeat_interleave(midranks, counts, output_size=len(scores))
    positives = is_positive.sum().double()
    negatives = len(scores) - positives
    u = (ranks * is_positive).sum() - positives * (positives + 1) / 2
    return float((u / (positives * negatives)).item())
