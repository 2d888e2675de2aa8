"""The model of the task dlrm: dot products between embeddings, as in DLRM.

Source: Naumov et al. 2019, "Deep learning recommendation model for personalization and recommendation systems",
arXiv:1906.00091, section 2. The bottom MLP maps the continuous columns to one vector of the tables' width D. The dot
product of each pair of vectors (that one, and one for each categorical column) is concatenated with the bottom MLP's
output, and the top MLP maps the result to one raw score. Linear and ReLU alternate, without BatchNorm. Dropout, if any, is in the top MLP.

As in the authors' code, the tables start uniform in +-sqrt(1 / cardinality), and counts are compressed by a logarithm
first. Here that is sign(x) * log(1 + |x|), which takes negative numbers, too. A dataset without continuous columns has
no bottom MLP: the top MLP then takes the dot products alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from feedrate.bench.consumer.models.embeddings import EmbeddingModel
from feedrate.bench.consumer.models.layers import continuous_columns, plain_layers, side_by_side
from feedrate.bench.consumer.models.task_columns import require_columns
from feedrate.bench.results.spec import ModelSpec
from feedrate.loaders.base import Batch, Schema


class DLRM(EmbeddingModel):
    """Bottom MLP, embeddings, pairwise dot products and top MLP."""

    def __init__(self, schema: Schema, spec: ModelSpec) -> None:
        """Draw the weights. Raises FeedrateError if the dataset has fewer than two vectors to multiply."""
        require_columns(schema, spec)
        assert spec.embedding_width is not None
        self._width = width = spec.embedding_width
        super().__init__(schema, lambda _cardinality: width)
        for table in self.tables():
            bound = len(table) ** -0.5
            nn.init.uniform_(table, -bound, bound)
        self.bottom = plain_layers(len(schema.continuous), (*spec.bottom, width)) if schema.continuous else None
        vectors = len(schema.single_hot) + len(schema.multi_hot) + (self.bottom is not None)
        first, second = torch.triu_indices(vectors, vectors, offset=1)
        self.register_buffer("_pairs", first * vectors + second, persistent=False)
        inputs = len(first) + (width if self.bottom is not None else 0)
        self.top = plain_layers(inputs, spec.hidden, spec.dropout)
        self.output = nn.Linear(spec.hidden[-1], 1)

    def head(self, embedded: Sequence[Tensor], batch: Batch) -> Tensor:
        """Return the raw scores, float32 [B], of the embedded batch."""
        parts = list(embedded)
        if self.bottom is not None:
            columns = continuous_columns(batch)
            bottom = self.bottom(columns.sign() * columns.abs().log1p())
            parts.insert(0, bottom)
        vectors = side_by_side(parts).view(batch.rows, -1, self._width)
        products = torch.bmm(vectors, vectors.transpose(1, 2)).flatten(1)
        assert isinstance(self._pairs, Tensor)
        dots = products.index_select(1, self._pairs)
        features = dots if self.bottom is None else torch.cat([bottom, dots], 1)
        output: Tensor = self.output(self.top(features))
        return output.view(-1)
