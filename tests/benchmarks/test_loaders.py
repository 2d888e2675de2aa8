"""Times every loader that is available on this machine with pytest-benchmark. A round is an epoch.

    pytest tests/benchmarks --benchmark-only
    pytest tests/benchmarks --benchmark-only --benchmark-save=base; ... --benchmark-compare

FEEDRATE_BENCHMARK_DATA is the folder of a prepared dataset. Without it, a small synthetic one is made.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.plugin import fixture
from feedrate.loaders.errors import LoaderUnavailable


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    if folder := os.environ.get("FEEDRATE_BENCHMARK_DATA"):
        return read_dataset(Path(folder))
    return prepare_synthetic(tmp_path_factory.mktemp("benchmark") / "data", rows=50_000)


@pytest.fixture(params=["native", "native-batched", "nvtabular", "cupy"])
def name(request: pytest.FixtureRequest) -> str:
    loader: str = request.param
    return loader


def test_load(benchmark: BenchmarkFixture, name: str, dataset: Dataset) -> None:
    """The loader only: every tensor of every batch is read on its device."""
    _timed(benchmark, name, dataset, "load")


def test_train(benchmark: BenchmarkFixture, name: str, dataset: Dataset) -> None:
    """Training: the loader drives the embedding MLP. The AUC is that of the whole valid split after the last round."""
    result = _timed(benchmark, name, dataset, "train")
    assert 0.5 < result["auc"] < 1


def _timed(benchmark: BenchmarkFixture, name: str, dataset: Dataset, mode: str) -> dict[str, Any]:
    request = fixture.benchmark_request(name, dataset=str(dataset.folder), mode=mode, rounds=3)
    try:
        benchmark.extra_info["backend"] = request.choice.adapter.backend(request.device)
    except LoaderUnavailable as error:
        pytest.skip(str(error))
    return fixture.timed(request, benchmark, dataset)
