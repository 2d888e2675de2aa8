"""One training step: forward, loss, backward, optimizer. The same mathematics in two ways.

eager: as the reference notebook has it, and as most scripts do. fast: so that a good loader shows; the optimizer is fused,
matrix products are TF32 on a GPU, and the gradient of a large table is neither sorted, nor made anew, nor zeroed where no row
was touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from feedrate.bench.model import EmbeddingMLP, build_optimizer, column_key, loss_of
from feedrate.bench.spec import ModelSpec
from feedrate.bench.timing import span
from feedrate.loaders.base import Batch

Step = Callable[[Batch], Tensor]
"""Learn from a batch; the loss before it, detached, on the device."""


def make_step(model: EmbeddingMLP, spec: ModelSpec) -> Step:
    return FastStep(model, spec) if spec.step == "fast" else EagerStep(model, spec)


class EagerStep:
    def __init__(self, model: EmbeddingMLP, spec: ModelSpec) -> None:
        self._model, self._spec = model, spec
        self._optimizer = build_optimizer(model, spec)

    def __call__(self, batch: Batch) -> Tensor:
        loss = _forward(self._model, batch, self._spec)
        with span("backward"):
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        with span("optimizer"):
            self._optimizer.step()
        return loss.detach()


class FastStep:
    def __init__(self, model: EmbeddingMLP, spec: ModelSpec) -> None:
        self._model, self._spec = model, spec
        self._tables = {name: Table.of(model, name) for name in model.single_hot_names}
        tables = {id(table.weight) for table in self._tables.values()}
        self._others = [parameter for parameter in model.parameters() if id(parameter) not in tables]
        self._optimizer = build_optimizer(model, spec, fused=True)
        if next(model.parameters()).is_cuda:
            torch.set_float32_matmul_precision("high")

    def __call__(self, batch: Batch) -> Tensor:
        loss = _forward(self._model, batch, self._spec)
        with span("backward"):
            for parameter in self._others:
                parameter.grad = None
            loss.backward()  # type: ignore[no-untyped-call]
        with span("optimizer"):
            self._optimizer.step()
            for name, table in self._tables.items():
                table.forget(batch.ids[name])
        return loss.detach()


class Table(nn.Module):
    """An nn.Embedding whose gradient is one buffer for good, zero in every row that the last batch did not touch."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight
        self.weight.grad = torch.zeros_like(weight)

    @staticmethod
    def of(model: EmbeddingMLP, name: str) -> Table:
        """Put one in the place of the model's own."""
        weight = model.single_hot[column_key(name)].weight
        assert isinstance(weight, nn.Parameter)
        table = Table(weight)
        model.single_hot[column_key(name)] = table
        return table

    def forward(self, ids: Tensor) -> Tensor:
        rows: Tensor = _Rows.apply(self.weight, ids)  # type: ignore[no-untyped-call]
        return rows

    def forget(self, ids: Tensor) -> None:
        """Zero the gradient of these rows: after the optimizer has seen them."""
        assert self.weight.grad is not None
        self.weight.grad.index_fill_(0, ids.long(), 0.0)


class _Rows(torch.autograd.Function):
    """weight[ids], whose backward adds to weight.grad in place: autograd itself would make a dense gradient in each step."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor) -> Tensor:
        ctx.weight = weight
        ctx.save_for_backward(ids)
        return weight.index_select(0, ids)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None]:
        (ids,) = ctx.saved_tensors
        ctx.weight.grad.index_add_(0, ids, gradients[0])
        return None, None


def _forward(model: EmbeddingMLP, batch: Batch, spec: ModelSpec) -> Tensor:
    model.train(batch.rows > 1)  # BatchNorm has no variance of a lone row: a last batch of one uses the running one
    with span("forward"):
        return loss_of(model(batch), batch.label, spec)
