"""What measures a loader is kept before the loader's module is imported."""

from __future__ import annotations

import builtins
import time
from typing import Any

import pytest
import torch

from feedrate.bench.gate.epoch import GateFailed
from feedrate.bench.timing import clock
from feedrate.bench.trial.guard import Guard
from feedrate.loaders import form
from feedrate.loaders.base import Batch


@pytest.mark.parametrize(
    ("space", "name", "words"),
    [
        (time, "monotonic", "it replaced time.monotonic"),
        (builtins, "sum", "it replaced builtins.sum"),
        (clock, "now", "it replaced feedrate.bench.timing.clock.now"),
        (torch.optim.Adam, "step", "Adam.step"),
        (torch.Tensor, "backward", "Tensor.backward"),
        (torch.nn.functional, "mse_loss", "mse_loss"),
        (torch.cuda, "synchronize", "synchronize"),
        (torch.nn.Module, "__call__", "Module.__call__"),
        (Batch, "tensors", "Batch.tensors"),
        (form, "plain_batch", "it replaced feedrate.loaders.form.plain_batch"),
    ],
)
def test_a_replaced_function_is_named(space: Any, name: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guard()
    guard.require_untouched()
    original = getattr(space, name)
    with monkeypatch.context() as patched:
        patched.setattr(space, name, lambda *args, **kwargs: original(*args, **kwargs))
        with pytest.raises(GateFailed, match=words):
            guard.require_untouched()
    guard.require_untouched()


def test_settings_that_change_results_void_a_trial_and_others_flag_it() -> None:
    guard = Guard()
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    try:
        torch.set_num_threads(threads + 1)
        guard.require_untouched()
        assert guard.changed() == [f"it changed torch's number of threads from {threads} to {threads + 1}"]
        torch.set_float32_matmul_precision("medium")
        with pytest.raises(GateFailed, match=f"torch's float32 matmul precision from {precision} to medium"):
            guard.require_untouched()
        guard.settle()
        guard.require_untouched()
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
    with torch.no_grad(), pytest.raises(GateFailed, match="torch's grad mode from True to False"):
        guard.require_untouched()


def test_training_with_an_optimizer_replaces_nothing() -> None:
    guard = Guard()
    weight = torch.ones(3, requires_grad=True)
    for kind in (torch.optim.Adam, torch.optim.SGD, torch.optim.Adagrad):
        optimizer = kind([weight], lr=0.1)
        weight.sum().backward()
        optimizer.step()
    guard.require_untouched()
