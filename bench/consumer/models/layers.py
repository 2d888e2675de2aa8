"""Layers that models are built of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from feedrate.loaders.base import Batch


def normalized_blocks(inputs: int, sizes: Sequence[int], dropout: float) -> nn.Sequential:
    """Return a block of Linear, ReLU, BatchNorm and Dropout for each size. inputs: width of the first one's input."""
    blocks = []
    for size in sizes:
        blocks.append(
            nn.Sequential(
                nn.Linear(inputs, size),
                nn.ReLU(inplace=True),
                nn.BatchNorm1d(size),
                nn.Dropout(dropout),
            )
        )
        inputs = size
    return nn.Sequential(*blocks)


def plain_layers(inputs: int, sizes: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """Return Linear, ReLU and Dropout for each size. inputs: width of the first one's input."""
    layers: list[nn.Module] = []
    for size in sizes:
        layers += [nn.Linear(inputs, size), nn.ReLU(inplace=True)]
        if dropout:
            layers.append(nn.Dropout(dropout))
        inputs = size
    return nn.Sequential(*layers)


def side_by_side(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors [B, width] as one tensor [B, sum of widths]. A single one is not copied."""
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors), 1)


def continuous_columns(batch: Batch) -> Tensor:
    """Return the continuous columns side by side, float32 [B, columns]."""
    return torch.stack(list(batch.dense.values()), 1)
