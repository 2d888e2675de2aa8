"""Lazy Adam, with its kernels compiled for the CPU, matches torch's Adam on whole tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from feedrate.bench.consumer import lazy_adam
from feedrate.bench.consumer.lazy_adam import LazyTables
from feedrate.bench.consumer.model import build_model
from feedrate.bench.consumer.steps import LazyStep, make_step
from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.results.spec import ModelSpec
from feedrate.loaders.base import Split
from feedrate.loaders.parquet.columns import epoch_order, read_columns
from tests.samples.compiled_kernels import COMPILER, CompiledKernels

ROWS, WIDTHS = (50, 9), (6, 5)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler: g++ or clang++")


@needs_compiler
def test_untouched_rows_end_where_dense_adam_puts_them(tmp_path: Path) -> None:
    random = torch.Generator().manual_seed(0)
    initial = [torch.randn(rows, width, generator=random) for rows, width in zip(ROWS, WIDTHS, strict=True)]
    dense = [nn.Parameter(weight.clone()) for weight in initial]
    adam = torch.optim.Adam(dense, lr=0.01)
    lazy = [weight.clone() for weight in initial]
    tables = LazyTables(lazy, ModelSpec(), CompiledKernels(lazy_adam.kernel_source(), tmp_path, lazy_adam.KERNEL_NAMES))
    for step in range(60):
        ids, bags = _batch(random)
        out = tables([(ids, None), bags])
        slope = torch.randn(out.shape, generator=random)
        wanted = torch.cat([dense[0][ids.long()], _sums(dense[1], *bags)], 1)
        if step % 20 == 0:
            torch.testing.assert_close(out, wanted, rtol=1e-5, atol=1e-6)
        (out * slope).sum().backward()
        tables.apply([(ids, None), bags])
        adam.zero_grad()
        (wanted * slope).sum().backward()
        for weight, used in zip(dense, (ids, bags[0]), strict=True):  # rows outside the batch have no gradient
            assert weight.grad is not None
            assert not weight.grad[torch.isin(torch.arange(len(weight)), used, invert=True)].any()
        adam.step()
    tables.flush()
    for weight, wanted_weight in zip(lazy, dense, strict=True):
        torch.testing.assert_close(weight, wanted_weight.detach(), rtol=1e-5, atol=1e-6)
    before = [weight.clone() for weight in lazy]
    tables.flush()
    assert all(torch.equal(*pair) for pair in zip(before, lazy, strict=True))


def _batch(random: torch.Generator) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return ids and bags in which some rows are frequent and others rare.

    Bags hold 0 to 3 values, and the values past the last offset mean nothing.
    """
    ids = (torch.rand(8, generator=random) ** 4 * ROWS[0]).int()
    lengths = torch.randint(0, 4, (8,), generator=random)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)]).int()
    values = (torch.rand(int(offsets[-1]) + 3, generator=random) ** 2 * ROWS[1]).int()
    return ids, (values, offsets)


def _sums(weight: Tensor, values: Tensor, offsets: Tensor) -> Tensor:
    return nn.functional.embedding_bag(
        values[: int(offsets[-1])].long(), weight, offsets.long(), mode="sum", include_last_offset=True
    )


@needs_compiler
@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_the_lazy_step_learns_what_the_eager_step_does(loss: str, planted: Split, tmp_path: Path) -> None:
    spec = ModelSpec(hidden=(16, 16), embedding_width=8, loss=loss)  # type: ignore[arg-type]
    columns = read_columns(planted)
    order = torch.from_numpy(epoch_order(columns.rows, shuffle=True, seed=0, epoch=0))
    models = [build_model(planted.schema, spec, seed=1, device="cpu") for _ in range(2)]
    kernels = CompiledKernels(lazy_adam.kernel_source(), tmp_path, lazy_adam.KERNEL_NAMES)
    eager, lazy = make_step(models[0], spec), LazyStep(models[1], replace(spec, step="fast"), kernels)
    for start in range(0, 30 * 64, 64):
        batch = columns.take(order[start : start + 64])
        assert float(lazy(batch)) == pytest.approx(float(eager(batch)), rel=2e-3)
    lazy.flush()
    rest = columns.take(order[-500:])
    for model in models:
        model.eval()
    torch.testing.assert_close(models[1](rest), models[0](rest), rtol=0.02, atol=0.02)
    torch.testing.assert_close(lazy.predict(rest), models[1](rest), rtol=1e-5, atol=1e-5)


@pytest.mark.gpu
def test_on_a_gpu_the_step_is_a_graph_and_learns_the_same(small: Dataset) -> None:
    schema, columns = small.info.schema, read_columns(small.split("train")).to("cuda")
    spec = ModelSpec(hidden=(32,))
    models = [build_model(schema, spec, seed=1, device="cuda") for _ in range(2)]
    steps = [make_step(models[0], spec), make_step(models[1], replace(spec, step="fast"))]
    order = torch.from_numpy(epoch_order(columns.rows, shuffle=True, seed=0, epoch=0)).cuda()
    sizes = [128] * 12 + [100] + [128] * 5  # the short batch in between runs without the graph
    starts = torch.tensor([0, *sizes]).cumsum(0).tolist()
    for start, size in zip(starts, sizes, strict=False):
        batch = columns.take(order[start : start + size])
        losses = [float(step(batch)) for step in steps]
        assert losses[1] == pytest.approx(losses[0], rel=0.02)
    for step, model in zip(steps, models, strict=True):
        step.flush()
        model.eval()
    with torch.no_grad():
        for size in [128] * 6 + [30]:
            scores = [step.predict(columns.take(order[-size:])) for step in steps]
            torch.testing.assert_close(scores[1], scores[0], rtol=0.05, atol=0.05)
    tables = [list(model.tables()) for model in models]
    for eager, fast in zip(*tables, strict=True):
        # Adam's first step follows the sign of the gradient, which may differ if the gradient is near 0
        assert float(((fast - eager).abs() > 0.02).float().mean()) < 1e-3
