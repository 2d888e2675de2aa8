"""One training step: forward, loss, backward, optimizer. Two implementations do the same mathematics.

eager: the step of the reference notebook and of most scripts. On a GPU it uses torch's fused optimizer, which computes
the same numbers.
fast: a step short enough for a good loader to make a difference. On a GPU it also uses TF32 for matrix products. The
gradient of a large table is not sorted or reallocated, and only the touched rows are reset to zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from feedrate.bench.consumer import lazy_adam
from feedrate.bench.consumer.fused_adam import FusedAdam
from feedrate.bench.consumer.graph import Graphed
from feedrate.bench.consumer.lazy_adam import LazyTables
from feedrate.bench.consumer.model import build_optimizer, loss_of
from feedrate.bench.consumer.models.embeddings import EmbeddingModel, column_key
from feedrate.bench.consumer.step_floor import optimizer_bytes
from feedrate.bench.results.spec import ModelSpec
from feedrate.bench.timing.ranges import span
from feedrate.loaders.base import Batch
from feedrate.loaders.packed.launch import CupyKernels
from feedrate.loaders.packed.resident import Kernels

if TYPE_CHECKING:
    from feedrate.bench.consumer.replica import Replica


class Step(Protocol):
    """A training step that also predicts."""

    def __call__(self, batch: Batch) -> Tensor:
        """Learn from a batch. Return the loss from before the update, detached, on the device."""
        ...

    def flush(self) -> None:
        """Do all postponed work. Call it before the model is used for anything other than the next step."""
        ...

    def predict(self, batch: Batch) -> Tensor:
        """Return scores [B]. Call it after flush(), with the model in eval mode and gradients disabled."""
        ...

    def least_bytes(self) -> float:
        """Return the bytes that the optimizer alone must read and write per step. Call it after the last step.

        See bench/consumer/step_floor.py.
        """
        ...


def make_step(model: EmbeddingModel, spec: ModelSpec) -> Step:
    """Build the step that the spec names, for a single rank.

    A fast step with Adam is a CUDA graph if the model's tables are on a GPU, its bags are summed and CuPy is installed.
    """
    if spec.step == "eager":
        return EagerStep(model, spec)
    tables_on_gpu = model.tables() and model.tables()[0].is_cuda
    if spec.optimizer == "adam" and tables_on_gpu and model.sums_bags and find_spec("cupy"):
        torch.set_float32_matmul_precision("high")
        return GraphedStep(LazyStep(model, spec, CupyKernels(lazy_adam.kernel_source(), str(model.tables()[0].device))))
    return FastStep(model, spec)


class DenseStep:
    """Base of the steps that postpone no work and whose optimizer changes every parameter."""

    def __init__(self, model: nn.Module, spec: ModelSpec) -> None:
        self._model, self._spec = model, spec

    def flush(self) -> None:
        """Do nothing: no work is postponed."""

    def predict(self, batch: Batch) -> Tensor:
        """Return the model's raw scores, float32 [B]."""
        scores: Tensor = self._model(batch)
        return scores

    def least_bytes(self) -> float:
        """Return the bytes that the optimizer moves per step for all parameters."""
        return optimizer_bytes(_nbytes(self._model.parameters()), self._spec.optimizer)


class EagerStep(DenseStep):
    """The step of the reference notebook."""

    def __init__(self, model: nn.Module, spec: ModelSpec, replica: Replica | None = None) -> None:
        super().__init__(model, spec)
        self._learner = model if replica is None else replica.module
        self._optimizer = build_optimizer(model.parameters(), spec, fused=next(model.parameters()).is_cuda)

    def __call__(self, batch: Batch) -> Tensor:
        """Learn from a batch and return the detached loss."""
        self._learner.train(batch.rows > 1)  # one row has no variance, so BatchNorm uses its running statistics
        return self._learn(batch, 1.0)

    def take_part(self, batch: Batch) -> None:
        """Take a step of ranks that have a batch, when this one has none: with an earlier batch and the weight 0."""
        self._learner.eval()  # running statistics of BatchNorm stay as they are
        self._learn(batch, 0.0)

    def _learn(self, batch: Batch, weight: float) -> Tensor:
        with span("forward"):
            loss = loss_of(self._learner(batch), batch.label, self._spec)
        with span("backward"):
            self._optimizer.zero_grad(set_to_none=True)
            (loss if weight == 1 else loss * weight).backward()  # type: ignore[no-untyped-call]
        with span("optimizer"):
            self._optimizer.step()
        return loss.detach()


class LazyStep:
    """Adam that updates only the touched rows of the tables; see lazy_adam.py.

    It never waits for the device, so it can be part of a CUDA graph.
    """

    def __init__(self, model: EmbeddingModel, spec: ModelSpec, kernels: Kernels) -> None:
        assert model.sums_bags
        self._model, self._spec = model, spec
        tables = model.tables()
        table_ids = {id(table) for table in tables}
        self._dense_parameters = [parameter for parameter in model.parameters() if id(parameter) not in table_ids]
        self._tables = LazyTables(list(tables), spec, kernels)
        self._optimizer = FusedAdam(self._dense_parameters, spec.learning_rate)

    def __call__(self, batch: Batch) -> Tensor:
        """Learn from a batch whose ids, values and offsets are int32. Return the detached loss."""
        columns = table_columns(batch)
        self._model.train(batch.rows > 1)
        with span("forward"):
            output = self._model.head([self._tables(columns)], batch)
            loss = loss_of(output, batch.label, self._spec)
        with span("backward"):
            for parameter in self._dense_parameters:
                parameter.grad = None
            loss.backward()  # type: ignore[no-untyped-call]
        with span("optimizer"):
            self._optimizer.step()
            self._tables.apply(columns)
        return loss.detach()

    def flush(self) -> None:
        """Bring every row of the tables up to the last step."""
        self._tables.flush()

    def predict(self, batch: Batch) -> Tensor:
        """Return raw scores, float32 [B], for a batch whose ids, values and offsets are int32."""
        columns = table_columns(batch)
        return self._model.head([self._tables.gather(columns)], batch)

    def least_bytes(self) -> float:
        """Return the bytes that the optimizer moves per step for the touched rows and all other parameters."""
        return optimizer_bytes(self._tables.touched_bytes() + _nbytes(self._dense_parameters), self._spec.optimizer)


class GraphedStep:
    """A LazyStep as two CUDA graphs: one for learning and one for prediction."""

    def __init__(self, step: LazyStep) -> None:
        self._learn, self._predict = Graphed(step), Graphed(step.predict)
        self.flush, self.least_bytes = step.flush, step.least_bytes

    def __call__(self, batch: Batch) -> Tensor:
        """Learn from a batch. The next call overwrites the loss it returns."""
        return self._learn(batch)

    def predict(self, batch: Batch) -> Tensor:
        """Return a copy of the scores [B], because the next replay overwrites the graph's output."""
        return self._predict(batch).clone()


class FastStep(DenseStep):
    """A fused optimizer, and single-hot tables that keep their gradient buffers. Used if GraphedStep cannot be."""

    def __init__(self, model: EmbeddingModel, spec: ModelSpec) -> None:
        super().__init__(model, spec)
        self._tables = {name: Table.of(model, name) for name in model.single_hot_names}
        table_ids = {id(table.weight) for table in self._tables.values()}
        self._dense_parameters = [parameter for parameter in model.parameters() if id(parameter) not in table_ids]
        self._optimizer = build_optimizer(model.parameters(), spec, fused=True)
        if next(model.parameters()).is_cuda:
            torch.set_float32_matmul_precision("high")

    def __call__(self, batch: Batch) -> Tensor:
        """Learn from a batch and return the detached loss."""
        loss = _forward(self._model, batch, self._spec)
        with span("backward"):
            for parameter in self._dense_parameters:
                parameter.grad = None
            loss.backward()  # type: ignore[no-untyped-call]
        with span("optimizer"):
            self._optimizer.step()
            for name, table in self._tables.items():
                table.clear(batch.ids[name])
        return loss.detach()


class Table(nn.Module):
    """An nn.Embedding with one permanent gradient buffer. It is zero in every row that the last batch did not touch."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight
        self.weight.grad = torch.zeros_like(weight)

    @staticmethod
    def of(model: EmbeddingModel, name: str) -> Table:
        """Replace the model's embedding of this column with a Table and return it."""
        weight = model.single_hot[column_key(name)].weight
        assert isinstance(weight, nn.Parameter)
        table = Table(weight)
        model.single_hot[column_key(name)] = table
        return table

    def forward(self, ids: Tensor) -> Tensor:
        """Return the rows of these ids, float32 [B, D]."""
        rows: Tensor = _Rows.apply(self.weight, ids)  # type: ignore[no-untyped-call]
        return rows

    def clear(self, ids: Tensor) -> None:
        """Reset the gradient of these rows to zero. Call it after the optimizer's step."""
        assert self.weight.grad is not None
        self.weight.grad.index_fill_(0, ids.long(), 0.0)


class _Rows(torch.autograd.Function):
    """Looks up weight[ids]. Its backward pass adds to weight.grad in place.

    Autograd itself would allocate a dense gradient in every step.
    """

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


def table_columns(batch: Batch) -> list[tuple[Tensor, Tensor | None]]:
    """Return (ids, None) or (values, offsets) for each column, in the order of EmbeddingModel.tables."""
    return [*batch.bags.values(), *((ids, None) for ids in batch.ids.values())]


def _nbytes(parameters: Iterable[Tensor]) -> int:
    return sum(parameter.nbytes for parameter in parameters)


def _forward(model: nn.Module, batch: Batch, spec: ModelSpec) -> Tensor:
    model.train(batch.rows > 1)  # one row has no variance, so BatchNorm uses its running statistics
    with span("forward"):
        return loss_of(model(batch), batch.label, spec)
