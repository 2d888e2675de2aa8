"""Attention of a target over the rows of a bag, without padding: every operation is on the N values of the batch.

Source: Zhou et al. 2018, "Deep interest network for click-through rate prediction", arXiv:1706.06978, section 4.3. A
small network scores each value of the history against the target, and the history is the sum of its values weighted by
the scores. The paper leaves the scores as they are. Here a softmax over each bag makes its weights sum up to 1, so that
short and long histories have the same scale.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

UNITS = 36
"""Hidden units of the scoring network, as in the paper."""


class BagAttention(nn.Module):
    """Sums the vectors of each bag, weighted by how well they match the row's target."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(3 * width, UNITS), nn.ReLU(inplace=True), nn.Linear(UNITS, 1))

    def forward(self, values: Tensor, offsets: Tensor, target: Tensor) -> Tensor:
        """Return one vector for each row, float32 [B, D]. An empty bag has zeros.

        values: float32 [N, D], the embedded values of all bags. offsets: int [B + 1]. target: float32 [B, D].
        """
        rows = row_numbers(offsets, len(values))
        aimed = target.index_select(0, rows)
        scores = self.score(torch.cat([values, aimed, values * aimed], 1)).view(-1)
        weights = softmax_by_bag(scores, rows, len(target))
        return values.new_zeros(target.shape).index_add(0, rows, values * weights.unsqueeze(1))


def row_numbers(offsets: Tensor, values: int) -> Tensor:
    """Return the row that each value belongs to, int64 [values]. Never waits for the device."""
    lengths = offsets.diff().long()
    return torch.repeat_interleave(torch.arange(len(lengths), device=offsets.device), lengths, output_size=values)


def softmax_by_bag(scores: Tensor, rows: Tensor, bags: int) -> Tensor:
    """Return exp(score) divided by its sum over the bag, float [N].

    scores: float [N]. rows: int64 [N], the bag of each score, below `bags`.
    """
    largest = scores.new_full((bags,), -torch.inf).scatter_reduce(0, rows, scores.detach(), "amax")
    powers = (scores - largest.index_select(0, rows)).exp()
    sums = powers.new_zeros(bags).index_add(0, rows, powers)
    return powers / sums.index_select(0, rows)
