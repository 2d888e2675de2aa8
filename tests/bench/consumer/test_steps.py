"""The fast step learns what the eager step does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from feedrate.bench.consumer.model import build_model
from feedrate.bench.consumer.steps import FastStep, Table, make_step
from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.results.spec import ModelSpec, TrialSpec
from feedrate.bench.run.suite import run_suite
from feedrate.loaders.base import Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import epoch_order, read_columns


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adagrad"])
@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_both_steps_lead_to_the_same_weights(optimizer: str, loss: str, planted: Split) -> None:
    spec = ModelSpec(hidden=(16, 16), embedding_width=8, optimizer=optimizer, loss=loss, learning_rate=0.01)  # type: ignore[arg-type]
    columns = read_columns(planted)
    order = torch.from_numpy(epoch_order(columns.rows, shuffle=True, seed=0, epoch=0))
    models = [build_model(planted.schema, spec, seed=1, device="cpu").double() for _ in range(2)]
    steps = [make_step(model, replace(spec, step=kind)) for model, kind in zip(models, ("eager", "fast"), strict=True)]  # type: ignore[arg-type]
    for start in range(0, 20 * 64, 64):
        batch = columns.take(order[start : start + 64])
        double_batch = type(batch)(
            batch.ids, batch.bags, {name: column.double() for name, column in batch.dense.items()}, batch.label.double()
        )
        losses = [float(step(double_batch)) for step in steps]
        assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    eager, fast = (model.state_dict() for model in models)
    assert list(eager) == list(fast)
    for name, tensor in eager.items():
        torch.testing.assert_close(fast[name], tensor, rtol=1e-8, atol=1e-10)


def test_a_table_s_gradient_is_zero_again_after_each_step(planted: Split) -> None:
    spec = ModelSpec(hidden=(8,), embedding_width=4, step="fast")
    model = build_model(planted.schema, spec, seed=1, device="cpu")
    step = make_step(model, spec)
    assert isinstance(step, FastStep)
    tables = [module for module in model.modules() if isinstance(module, Table)]
    assert len(tables) == len(planted.schema.single_hot)
    buffers = [table.weight.grad.data_ptr() for table in tables if table.weight.grad is not None]
    for start in (0, 500):
        step(read_columns(planted).slice(start, start + 300))
    for table, buffer in zip(tables, buffers, strict=True):
        assert table.weight.grad is not None
        assert table.weight.grad.data_ptr() == buffer
        assert not table.weight.grad.any()


def test_a_trial_reaches_the_same_auc_with_both_steps(small: Dataset) -> None:
    eager = TrialSpec(loader="fake", mode="train", repeat=0, seed=0, batch_size=256, epochs=2, device="cpu")
    specs = [eager, replace(eager, model=ModelSpec(step="fast"))]
    first, second = run_suite(specs, small.folder)
    assert first.status == second.status == "ok", (first.detail, second.detail)
    assert first.auc is not None
    assert second.auc is not None
    assert first.auc[-1] == pytest.approx(second.auc[-1], abs=0.01)
    assert first.train_loss == pytest.approx(second.train_loss, rel=0.01)


def test_an_unknown_step_is_rejected() -> None:
    with pytest.raises(FeedrateError, match="step is 'slow', but must be one of eager, fast"):
        ModelSpec(step="slow")  # type: ignore[arg-type]
