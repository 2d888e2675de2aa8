"""One training step: forward, loss, backward, optimizer. The same mathematics in two ways.

eager: as the reference notebook has it, and as most scripts do; on a GPU with torch's fused optimizer, whose numbers are the
same. fast: so that a good loader shows; matrix products are TF32 on a GPU, too, and the gradient of a large table is neither
sorted, nor made anew, nor zeroed where no row was touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from feedrate.bench.consumer import lazy_adam
from feedrate.bench.consumer.fused_adam import FusedAdam
from feedrate.bench.consumer.graph import Graphed
from feedrate.bench.consumer.lazy_adam import LazyTables
from feedrate.bench.consumer.model import EmbeddingMLP, build_optimizer, column_key, loss_of
from feedrate.bench.consumer.step_floor import optimizer_bytes
from feedrate.bench.results.spec import ModelSpec
from feedrate.bench.timing.ranges import span
from feedrate.loaders.base import Batch
from feedrate.loaders.packed.launch import CupyKernels
from feedrate.loaders.packed.resident import Kernels


class Step(Protocol):
    def __call__(self, batch: Batch) -> Tensor:
        """Learn from a batch; the loss before it, detached, on the device."""
        ...

    def flush(self) -> None:
        """Do what was put off, before the model is used for anything but the next step."""
        ...

    def predict(self, batch: Batch) -> Tensor:
        """Scores [B] of a model that is in eval mode, without gradients; after flush()."""
        ...

    def least_bytes(self) -> float:
        """What the optimizer alone must read and write in a step: after the last one. See bench/consumer/step_floor.py."""
        ...


def make_step(model: EmbeddingMLP, spec: ModelSpec) -> Step:
    if spec.step == "eager":
        return EagerStep(model, spec)
    if spec.optimizer == "adam" and model.tables() and model.tables()[0].is_cuda and find_spec("cupy"):
        torch.set_float32_matmul_precision("high")
        return GraphedStep(LazyStep(model, spec, CupyKernels(lazy_adam.source(), str(model.tables()[0].device))))
    return FastStep(model, spec)


class WholeStep:
    """What steps have in common that leave nothing for later and whose optimizer changes every parameter."""

    def __init__(self, model: EmbeddingMLP, spec: ModelSpec) -> None:
        self._model, self._spec = model, spec

    def flush(self) -> None:
        """Nothing is put off."""

    def predict(self, batch: Batch) -> Tensor:
        scores: Tensor = self._model(batch)
        return scores

    def least_bytes(self) -> float:
        return optimizer_bytes(_nbytes(self._model.parameters()), self._spec.optimizer)


class EagerStep(WholeStep):
    def __init__(self, model: EmbeddingMLP, spec: ModelSpec) -> None:
        super().__init__(model, spec)
        self._optimizer = build_optimizer(model.parameters(), spec, fused=next(model.parameters()).is_cuda)

    def __call__(self, batch: Batch) -> Tensor:
        loss = _forward(self._model, batch, self._spec)
        with span("backward"):
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        with span("optimizer"):
            self._optimizer.step()
        return loss.detach()


class LazyStep:
    """Adam on the tables' touched rows (see lazy_adam.py), and nothing in it waits for the device: it can be a CUDA graph."""

    def __init__(self, model: EmbeddingMLP, spec: ModelSpec, kernels: Kernels) -> None:
        self._model, self._spec = model, spec
        tables = model.tables()
        own = {id(table) for table in tables}
        self._others = [parameter for parameter in model.parameters() if id(parameter) not in own]
        self._tables = LazyTables(list(tables), spec, kernels)
        self._optimizer = FusedAdam(self._others, spec.learning_rate)

    def __call__(self, batch: Batch) -> Tensor:
        """batch: ids, values and offsets of int32."""
        columns = _table_columns(batch)
        self._model.train(batch.rows > 1)
        with span("forward"):
            output = self._model.head([self._tables(columns)], batch)
            loss = loss_of(output, batch.label, self._spec)
        with span("backward"):
            for parameter in self._others:
                parameter.grad = None
            loss.backward()  # type: ignore[no-untyped-call]
        with span("optimizer"):
            self._optimizer.step()
            self._tables.apply(columns)
        return loss.detach()

    def flush(self) -> None:
        self._tables.flush()

    def predict(self, batch: Batch) -> Tensor:
        columns = _table_columns(batch)
        return self._model.head([self._tables.gather(columns)], batch)

    def least_bytes(self) -> float:
        return optimizer_bytes(self._tables.touched_bytes() + _nbytes(self._others), self._spec.optimizer)


class GraphedStep:
    """A LazyStep in CUDA graphs: one to learn, one to predict."""

    def __init__(self, step: LazyStep) -> None:
        self._learn, self._predict = Graphed(step), Graphed(step.predict)
        self.flush, self.least_bytes = step.flush, step.least_bytes

    def __call__(self, batch: Batch) -> Tensor:
        return self._learn(batch)

    def predict(self, batch: Batch) -> Tensor:
        return self._predict(batch).clone()


class FastStep(WholeStep):
    def __init__(self, model: EmbeddingMLP, spec: ModelSpec) -> None:
        super().__init__(model, spec)
        self._tables = {name: Table.of(model, name) for name in model.single_hot_names}
        tables = {id(table.weight) for table in self._tables.values()}
        self._others = [parameter for parameter in model.parameters() if id(parameter) not in tables]
        self._optimizer = build_optimizer(model.parameters(), spec, fused=True)
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
                table.clear(batch.ids[name])
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

    def clear(self, ids: Tensor) -> None:
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


def _table_columns(batch: Batch) -> list[tuple[Tensor, Tensor | None]]:
    """As EmbeddingMLP.tables has their tables: (ids or values, offsets of bags)."""
    return [*batch.bags.values(), *((ids, None) for ids in batch.ids.values())]


def _nbytes(parameters: Iterable[Tensor]) -> int:
    return sum(parameter.nbytes for parameter in parameters)


def _forward(model: EmbeddingMLP, batch: Batch, spec: ModelSpec) -> Tensor:
    model.train(batch.rows > 1)  # BatchNorm has no variance of a lone row: a last batch of one uses the running one
    with span("forward"):
        return loss_of(model(batch), batch.label, spec)
