"""Every loader that is available here, timed by pytest-benchmark: a round is an epoch.

    pytest tests/benchmarks --benchmark-only
    pytest tests/benchmarks --benchmark-only --benchmark-save=base; ... --benchmark-compare

FEEDRATE_BENCHMARK_DATA names a prepared dataset; without it a small synthetic one is made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from feedrate.bench.auc import auc
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.model import build_model, build_optimizer, loss_of
from feedrate.bench.spec import ModelSpec
from feedrate.bench.timing import EpochClock, synchronise
from feedrate.loaders import registry
from feedrate.loaders.base import Loader, LoaderConfig
from feedrate.loaders.errors import LoaderUnavailable

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BATCH_SIZE = 4096
ROUNDS = 3


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    if named := os.environ.get("FEEDRATE_BENCHMARK_DATA"):
        return read_dataset(Path(named))
    return prepare_synthetic(tmp_path_factory.mktemp("benchmark") / "data", rows=50_000, seed=0)


@pytest.fixture(params=["native", "native-batched", "nvtabular", "cupy"])
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    try:
        registry.choose(chosen).adapter.backend(DEVICE)
    except LoaderUnavailable as error:
        pytest.skip(str(error))
    return chosen


@pytest.fixture
def loader(name: str, dataset: Dataset) -> Iterator[Loader]:
    opened = registry.choose(name).open(dataset.split("train"), LoaderConfig(batch_size=BATCH_SIZE, device=DEVICE))
    yield opened
    opened.close()


def test_load(benchmark: BenchmarkFixture, name: str, loader: Loader, dataset: Dataset) -> None:
    """The loader alone: every tensor of every batch is read on its device."""
    clocks: list[EpochClock] = []

    def epoch() -> None:
        clock = EpochClock(lambda: loader.epoch(len(clocks)), DEVICE)
        for batch in clock:
            for tensor in batch.tensors():
                tensor.sum()
        clocks.append(clock)

    benchmark.pedantic(epoch, rounds=ROUNDS, warmup_rounds=1)
    _describe(benchmark, name, clocks[1:])
    assert {clock.rows for clock in clocks} == {dataset.info.splits["train"].rows}


def test_train(benchmark: BenchmarkFixture, name: str, loader: Loader, dataset: Dataset) -> None:
    """The loader drives the embedding MLP; AUC on the whole valid split after the last round."""
    spec = ModelSpec()
    model = build_model(dataset.info.schema, spec, seed=0, device=DEVICE)
    optimizer = build_optimizer(model.parameters(), spec)
    clocks: list[EpochClock] = []

    def epoch() -> None:
        clock = EpochClock(lambda: loader.epoch(len(clocks)), DEVICE)
        for batch in clock:
            loss = loss_of(model(batch), batch.label, spec)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        clocks.append(clock)

    benchmark.pedantic(epoch, rounds=ROUNDS, warmup_rounds=1)
    _describe(benchmark, name, clocks[1:])
    benchmark.extra_info["auc"] = _auc(model, name, dataset)
    assert {clock.rows for clock in clocks} == {dataset.info.splits["train"].rows}
    assert 0.5 < benchmark.extra_info["auc"] < 1


def _describe(benchmark: BenchmarkFixture, name: str, clocks: list[EpochClock]) -> None:
    wall_s = sum(clock.wall_s for clock in clocks)
    benchmark.group = "load" if "test_load" in benchmark.name else "train"
    benchmark.extra_info |= {
        "loader": name,
        "backend": registry.choose(name).adapter.backend(DEVICE),
        "rows_per_s": sum(clock.rows for clock in clocks) / wall_s,
        "wait_fraction": sum(clock.wait_s for clock in clocks) / wall_s,
        "batch_size": BATCH_SIZE,
        "device": DEVICE,
    }


def _auc(model: torch.nn.Module, name: str, dataset: Dataset) -> float:
    config = LoaderConfig(batch_size=BATCH_SIZE, device=DEVICE, shuffle=False)
    valid = registry.choose(name).open(dataset.split("valid"), config)
    model.eval()
    with torch.no_grad():
        outputs = [(model(batch), batch.label) for batch in valid.epoch(0)]
    valid.close()
    synchronise(DEVICE)
    return auc(torch.cat([output for output, _ in outputs]), torch.cat([label for _, label in outputs]))
