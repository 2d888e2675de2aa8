"""The model of the task sequence: a history of ids, a target item and the other columns, as in click-through models.

Each multi-hot column is a history, and one single-hot column is the target item. A history becomes one vector of the
tables' width D: the mean of its ids' vectors (pooled), or their sum weighted by attention to the target (attention.py).
The inputs of the MLP are [histories | single-hot | each history * target | continuous], where * multiplies element by
element. Its blocks are those of the embedding MLP, and its output is one raw score.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from feedrate.bench.consumer.models.attention import BagAttention
from feedrate.bench.consumer.models.embeddings import EmbeddingModel, column_key
from feedrate.bench.consumer.models.layers import continuous_columns, normalized_blocks, side_by_side
from feedrate.bench.consumer.models.task_columns import target_of
from feedrate.bench.results.spec import ModelSpec
from feedrate.loaders.base import Batch, Schema

INITIAL_SPREAD = 0.1
"""Standard deviation of the tables' first values. Products of two vectors of the usual 1 would drown what is learned."""


class SequenceModel(EmbeddingModel):
    """A history arm, a target item and an MLP on top."""

    def __init__(self, schema: Schema, spec: ModelSpec) -> None:
        """Draw the weights. Raises FeedrateError if the dataset has no history, or if the target item is not known."""
        self._target = target_of(schema, spec)
        assert spec.embedding_width is not None
        self._width = width = spec.embedding_width
        super().__init__(schema, lambda _cardinality: width)
        for table in self.tables():
            nn.init.normal_(table, std=INITIAL_SPREAD)
        self.histories = len(schema.multi_hot)
        self.sums_bags = spec.history == "pooled"
        self.attention = nn.ModuleDict(
            {} if self.sums_bags else {column_key(c.name): BagAttention(width) for c in schema.multi_hot}
        )
        self.continuous = nn.BatchNorm1d(len(schema.continuous)) if schema.continuous else None
        inputs = (2 * self.histories + len(schema.single_hot)) * width + len(schema.continuous)
        self.blocks = normalized_blocks(inputs, spec.hidden, spec.dropout)
        self.output = nn.Linear(spec.hidden[-1], 1)

    def forward(self, batch: Batch) -> Tensor:
        """Return the raw scores of the batch, float32 [B]."""
        if self.sums_bags:
            return super().forward(batch)
        vectors = [self.single_hot[column_key(name)](ids) for name, ids in batch.ids.items()]
        target = vectors[self.single_hot_names.index(self._target)]
        histories = [self._attended(name, *bags, target) for name, bags in batch.bags.items()]
        return self._scores(side_by_side([*histories, *vectors]), batch)

    def head(self, embedded: Sequence[Tensor], batch: Batch) -> Tensor:
        """Return the raw scores, float32 [B], of the embedded batch, whose histories are sums."""
        assert self.sums_bags
        vectors = side_by_side(embedded)
        lengths = torch.stack([offsets.diff() for _, offsets in batch.bags.values()], 1).clamp(min=1)
        summed = self.histories * self._width
        means = vectors[:, :summed].view(batch.rows, self.histories, self._width) / lengths.unsqueeze(2)
        return self._scores(torch.cat([means.flatten(1), vectors[:, summed:]], 1), batch)

    def _attended(self, name: str, values: Tensor, offsets: Tensor, target: Tensor) -> Tensor:
        table = self.multi_hot[column_key(name)].weight
        assert isinstance(table, Tensor)
        attended: Tensor = self.attention[column_key(name)](nn.functional.embedding(values, table), offsets, target)
        return attended

    def _scores(self, vectors: Tensor, batch: Batch) -> Tensor:
        """vectors: [histories | single-hot], float32 [B, (histories + single-hot) * D]."""
        by_column = vectors.view(batch.rows, -1, self._width)
        target = self.histories + self.single_hot_names.index(self._target)
        products = by_column[:, : self.histories] * by_column[:, target : target + 1]
        parts = [vectors, products.flatten(1)]
        if self.continuous is not None:
            parts.append(self.continuous(continuous_columns(batch)))
        output: Tensor = self.output(self.blocks(torch.cat(parts, 1)))
        return output.view(-1)
