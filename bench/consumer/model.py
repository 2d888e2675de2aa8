"""The embedding MLP that every loader feeds. It is the model of the reference notebook, whose widths are the defaults.

The architecture is that of nvtabular.framework_utils.torch.models.Model. Multi-hot columns go through
EmbeddingBag(sum), single-hot columns through Embedding and continuous columns through BatchNorm. The results are
concatenated as [multi-hot | single-hot | continuous]. Blocks of Linear, ReLU, BatchNorm and Dropout follow, then a
Linear layer with one raw output.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from feedrate.bench.results.spec import ModelSpec
from feedrate.loaders.base import Batch, Schema

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": nn.functional.mse_loss,
    "bce": nn.functional.binary_cross_entropy_with_logits,
}
OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
}
FUSED = ("adam", "sgd")
"""Optimizers that have a fused kernel in torch."""


def embedding_width(cardinality: int) -> int:
    """Return min(max(16, round(1.6 * cardinality**0.56)), 512), the rule of nvtabular.ops.get_embedding_sizes."""
    width: float = 1.6 * cardinality**0.56
    return min(max(16, round(width)), 512)


class EmbeddingMLP(nn.Module):
    """The reference model, which turns a Batch into raw scores, float32 [B]."""

    def __init__(self, schema: Schema, spec: ModelSpec) -> None:
        super().__init__()

        def width(cardinality: int) -> int:
            return spec.embedding_width or embedding_width(cardinality)

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
        self.continuous = nn.BatchNorm1d(len(schema.continuous)) if schema.continuous else None
        inputs = sum(width(c.cardinality) for c in (*schema.single_hot, *schema.multi_hot)) + len(schema.continuous)
        blocks = []
        for size in spec.hidden:
            blocks.append(
                nn.Sequential(
                    nn.Linear(inputs, size),
                    nn.ReLU(inplace=True),
                    nn.BatchNorm1d(size),
                    nn.Dropout(spec.dropout),
                )
            )
            inputs = size
        self.blocks = nn.Sequential(*blocks)
        self.output = nn.Linear(inputs, 1)

    def forward(self, batch: Batch) -> Tensor:
        """Return the raw scores of the batch, float32 [B]."""
        embedded = [self.multi_hot[column_key(name)](*bags) for name, bags in batch.bags.items()]
        embedded += [self.single_hot[column_key(name)](ids) for name, ids in batch.ids.items()]
        return self.head(embedded, batch)

    def head(self, embedded: Sequence[Tensor], batch: Batch) -> Tensor:
        """Run everything except the embedding tables and return the raw scores, float32 [B].

        embedded: tensors [B, width] that lie side by side, multi-hot columns first.
        """
        parts = list(embedded)
        if self.continuous is not None:
            parts.append(self.continuous(torch.stack(list(batch.dense.values()), 1)))
        output: Tensor = self.output(self.blocks(parts[0] if len(parts) == 1 else torch.cat(parts, 1)))
        return output.view(-1)

    def tables(self) -> list[nn.Parameter]:
        """Return the weights of the embedding tables in the order that `head` expects."""
        modules = (*self.multi_hot.values(), *self.single_hot.values())
        return [module.weight for module in modules]  # type: ignore[misc]


def build_model(schema: Schema, spec: ModelSpec, *, seed: int, device: str) -> EmbeddingMLP:
    """Build the model on the device. The same seed gives the same weights for every loader and device.

    The weights are drawn on the CPU. The state of torch's global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = EmbeddingMLP(schema, spec)
    return model.to(device)


def throwaway_model(schema: Schema, spec: ModelSpec, *, device: str) -> EmbeddingMLP:
    """Build a model whose weights do not matter: they are drawn on the device itself, without a seed."""
    with torch.random.fork_rng(), torch.device(device):
        return EmbeddingMLP(schema, spec)


def build_optimizer(
    parameters: Iterable[nn.Parameter], spec: ModelSpec, *, fused: bool = False
) -> torch.optim.Optimizer:
    """Build the optimizer that the spec names.

    fused: use one kernel for all parameters if the optimizer has one.
    """
    options = {"fused": True} if fused and spec.optimizer in FUSED else {}
    return _undecorated(OPTIMIZERS[spec.optimizer])(parameters, lr=spec.learning_rate, **options)


def _undecorated(optimizer: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """Return the optimizer class without the decorators that import torch._dynamo, which takes seconds.

    torch decorates these methods to keep the compiler out of them, but nothing is compiled here. Steps do not change.
    """
    methods = {name: inspect.unwrap(getattr(optimizer, name)) for name in ("step", "zero_grad", "add_param_group")}
    return type(optimizer.__name__, (optimizer,), {**methods, "step": torch.no_grad()(methods["step"])})


def loss_of(output: Tensor, label: Tensor, spec: ModelSpec) -> Tensor:
    """Return the loss that the spec names, averaged over the batch. output and label are float32 [B]."""
    return LOSSES[spec.loss](output, label)


def column_key(name: str) -> str:
    """Return a key for this column in a ModuleDict, which rejects dots and the names of its own attributes.

    No two columns have the same key.
    """
    return "column " + name.replace("%", "%25").replace(".", "%2E")
