"""What the models of all tasks share: one embedding table for each categorical column, and the seam that steps use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from feedrate.loaders.base import Batch, Schema


def embedding_width(cardinality: int) -> int:
    """Return min(max(16, round(1.6 * cardinality**0.56)), 512), the rule of nvtabular.ops.get_embedding_sizes."""
    width: float = 1.6 * cardinality**0.56
    return min(max(16, round(width)), 512)


class EmbeddingModel(nn.Module, ABC):
    """A model that turns a Batch into raw scores, float32 [B].

    `forward` is `head` on the embedded batch. A step may look the embeddings up itself and call `head` alone.
    """

    sums_bags: bool = True
    """Whether `head` takes each bag as the sum of its rows. If not, only `forward` computes the model."""

    def __init__(self, schema: Schema, width: Callable[[int], int]) -> None:
        """Draw the tables. width: maps a column's cardinality to the width of its table."""
        super().__init__()
        self.single_hot = nn.ModuleDict(
            {column_key(c.name): nn.Embedding(c.cardinality, width(c.cardinality)) for c in schema.single_hot}
        )
        self.multi_hot = nn.ModuleDict(
            {
                column_key(c.name): nn.EmbeddingBag(
                    c.cardinality, width(c.cardinality), mode="sum", include_last_offset=True
                )
                for c in schema.multi_hot
            }
        )
        self.single_hot_names = [c.name for c in schema.single_hot]

    def forward(self, batch: Batch) -> Tensor:
        """Return the raw scores of the batch, float32 [B]."""
        embedded = [self.multi_hot[column_key(name)](*bags) for name, bags in batch.bags.items()]
        embedded += [self.single_hot[column_key(name)](ids) for name, ids in batch.ids.items()]
        return self.head(embedded, batch)

    @abstractmethod
    def head(self, embedded: Sequence[Tensor], batch: Batch) -> Tensor:
        """Run everything except the embedding tables and return the raw scores, float32 [B].

        embedded: tensors [B, width] that lie side by side, multi-hot columns first.
        """

    def tables(self) -> list[nn.Parameter]:
        """Return the weights of the embedding tables in the order that `head` expects."""
        modules = (*self.multi_hot.values(), *self.single_hot.values())
        return [module.weight for module in modules]  # type: ignore[misc]


def column_key(name: str) -> str:
    """Return a key for this column in a ModuleDict, which rejects dots and the names of its own attributes.

    No two columns have the same key.
    """
    return "column " + name.replace("%", "%25").replace(".", "%2E")
