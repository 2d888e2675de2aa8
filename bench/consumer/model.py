"""Builds the model of a task, the same for every loader, with its loss and its optimizer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from feedrate.bench.consumer.models.dlrm import DLRM
from feedrate.bench.consumer.models.embeddings import EmbeddingModel
from feedrate.bench.consumer.models.mlp import EmbeddingMLP
from feedrate.bench.consumer.models.sequence import SequenceModel
from feedrate.bench.results.spec import ModelSpec, Task
from feedrate.loaders.base import Schema

MODELS: Mapping[Task, Callable[[Schema, ModelSpec], EmbeddingModel]] = {
    "mlp": EmbeddingMLP,
    "dlrm": DLRM,
    "sequence": SequenceModel,
}
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


def build_model(schema: Schema, spec: ModelSpec, *, seed: int, device: str) -> EmbeddingModel:
    """Build the model on the device. The same seed gives the same weights for every loader and device.

    The weights are drawn on the CPU. The state of torch's global generator is left as it was.
    Raises FeedrateError if the dataset lacks columns that the task needs.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = MODELS[spec.task](schema, spec)
    return model.to(device)


def throwaway_model(schema: Schema, spec: ModelSpec, *, device: str) -> EmbeddingModel:
    """Build a model whose weights do not matter: they are drawn on the device itself, without a seed."""
    with torch.random.fork_rng(), torch.device(device):
        return MODELS[spec.task](schema, spec)


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
