"""The model of the task mlp: the embedding MLP of the reference notebook, whose widths are the defaults.

The architecture is that of nvtabular.framework_utils.torch.models.Model. Multi-hot columns go through
EmbeddingBag(sum), single-hot columns through Embedding and continuous columns through BatchNorm. The results are
concatenated as [multi-hot | single-hot | continuous]. Blocks of Linear, ReLU, BatchNorm and Dropout follow, then a
Linear layer with one raw output.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from feedrate.bench.consumer.models.embeddings import EmbeddingModel, embedding_width
from feedrate.bench.consumer.models.layers import continuous_columns, normalized_blocks, side_by_side
from feedrate.bench.results.spec import ModelSpec
from feedrate.loaders.base import Batch, Schema


class EmbeddingMLP(EmbeddingModel):
    """The reference model."""

    def __init__(self, schema: Schema, spec: ModelSpec) -> None:
        def width(cardinality: int) -> int:
            return spec.embedding_width or embedding_width(cardinality)

        super().__init__(schema, width)
        self.continuous = nn.BatchNorm1d(len(schema.continuous)) if schema.continuous else None
        inputs = sum(width(c.cardinality) for c in (*schema.single_hot, *schema.multi_hot)) + len(schema.continuous)
        self.blocks = normalized_blocks(inputs, spec.hidden, spec.dropout)
        self.output = nn.Linear(spec.hidden[-1], 1)

    def head(self, embedded: Sequence[Tensor], batch: Batch) -> Tensor:
        """Return the raw scores, float32 [B], of the embedded batch."""
        parts = list(embedded)
        if self.continuous is not None:
            parts.append(self.continuous(continuous_columns(batch)))
        output: Tensor = self.output(self.blocks(side_by_side(parts)))
        return output.view(-1)
