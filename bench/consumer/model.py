"""The embedding MLP that every loader drives: the reference notebook's, with its widths as defaults.

Architecture of nvtabular.framework_utils.torch.models.Model: EmbeddingBag(sum) for multi-hot columns, Embedding for
single-hot ones, BatchNorm on continuous ones, concatenated as [multi-hot | single-hot | continuous]; then blocks of
Linear, ReLU, BatchNorm, Dropout; then Linear to one raw output.
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


def embedding_width(cardinality: int) -> int:
    """min(max(16, round(1.6 cardinality^0.56)), 512), the rule of nvtabular.ops.get_embedding_sizes."""
    width: float = 1.6 * cardinality**0.56
    return min(max(16, round(width)), 512)


class EmbeddingMLP(nn.Module):
    """Batch -> float32 [B]."""

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
        embedded = [self.multi_hot[column_key(name)](*bags) for name, bags in batch.bags.items()]
        embedded += [self.single_hot[column_key(name)](ids) for name, ids in batch.ids.items()]
        return self.head(embedded, batch)

    def head(self, embedded: Sequence[Tensor], batch: Batch) -> Tensor:
        """All but the tables. embedded: [B, widths], multi-hot columns first; float32 [B]."""
        parts = list(embedded)
        if self.continuous is not None:
            parts.append(self.continuous(torch.stack(list(batch.dense.values()), 1)))
        output: Tensor = self.output(self.blocks(parts[0] if len(parts) == 1 else torch.cat(parts, 1)))
        return output.view(-1)

    def tables(self) -> list[nn.Parameter]:
        """Embedding weights in the order of `embedded`."""
        return [module.weight for kind in (self.multi_hot, self.single_hot) for module in kind.values()]  # type: ignore[misc]


def build_model(schema: Schema, spec: ModelSpec, *, seed: int, device: str) -> EmbeddingMLP:
    """The same weights for the same seed, whatever the loader and the device: they are drawn on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = EmbeddingMLP(schema, spec)
    return model.to(device)


def throwaway_model(schema: Schema, spec: ModelSpec, *, device: str) -> EmbeddingMLP:
    """The same but for its weights, which are drawn where they are."""
    with torch.random.fork_rng(), torch.device(device):
        return EmbeddingMLP(schema, spec)


def build_optimizer(
    parameters: Iterable[nn.Parameter], spec: ModelSpec, *, fused: bool = False
) -> torch.optim.Optimizer:
    """fused: one kernel for all parameters, for optimizers that have such."""
    options = {"fused": True} if fused and spec.optimizer in FUSED else {}
    return _undecorated(OPTIMIZERS[spec.optimizer])(parameters, lr=spec.learning_rate, **options)


def _undecorated(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """The same steps, but without importing torch._dynamo, which takes seconds: torch decorates these methods so as to keep the
    compiler out of them, and nothing is compiled here."""
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in ("step", "zero_grad", "add_param_group")}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(methods["step"])})


def loss_of(output: Tensor, label: Tensor, spec: ModelSpec) -> Tensor:
    return LOSSES[spec.loss](output, label)


def column_key(name: str) -> str:
    """ModuleDict refuses dots and names of its own attributes."""
    return "column " + name.replace(".", "·")
