"""Times each adapter beside a loop over the same library that was written without feedrate. A round is an epoch.

    FEEDRATE_BENCHMARK_DATA=data/twin pytest tests/benchmarks/test_bare_loops.py --benchmark-only --benchmark-group-by=group

An adapter should reach 0.9 of the bare loop's speed. `rows_per_s` in the extra information is that of the fastest round.
FEEDRATE_BENCHMARK_DATA is the folder of a prepared dataset, best synthetic-movielens with two million rows. Without it, a
small one is made, which shows only that the loops work. hf-datasets takes minutes, all others together one or two.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.errors import LoaderUnavailable
from feedrate.loaders.toolkit import read_columns
from tests.samples.bare import files, memory
from tests.samples.bare.tensors import Epoch

BATCH_SIZE = 32_768
ROUNDS = 5
BARE: dict[str, Callable[[Split, int], contextlib.AbstractContextManager[Epoch]]] = {
    "native-batched": memory.native_batched,
    "torch-resident": memory.torch_resident,
    "polars": memory.polars,
    "duckdb": memory.duckdb,
    "hf-datasets": memory.hf_datasets,
    "torchdata": memory.torchdata,
    "tensordict": memory.tensordict,
    "grain": memory.grain,
    "arrow": files.arrow,
    "lance": files.lance,
    "vortex": files.vortex,
    "spdl": files.spdl,
    "ray-data": files.ray_data,
}


@pytest.fixture(scope="session")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    folder = os.environ.get("FEEDRATE_BENCHMARK_DATA")
    dataset: Dataset = (
        read_dataset(Path(folder))
        if folder
        else prepare_synthetic(tmp_path_factory.mktemp("benchmark") / "data", rows=50_000)
    )
    return dataset.split("train")


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.slow] * (name == "ray-data")) for name in BARE])
def name(request: pytest.FixtureRequest) -> str:
    try:
        registry.choose(request.param).adapter.backend("cpu")
    except LoaderUnavailable as error:
        pytest.skip(str(error))
    return str(request.param)


def test_bare_loop(benchmark: BenchmarkFixture, name: str, split: Split) -> None:
    with BARE[name](split, BATCH_SIZE) as epoch:
        _timed(benchmark, name, split, epoch, lambda batch: batch[split.schema.label])


def test_adapter(benchmark: BenchmarkFixture, name: str, split: Split) -> None:
    loader = registry.choose(name).open(split, LoaderConfig(batch_size=BATCH_SIZE))
    with contextlib.closing(loader):
        _timed(benchmark, name, split, loader.epoch, lambda batch: batch.label)


def _timed(
    benchmark: BenchmarkFixture,
    name: str,
    split: Split,
    epoch: Callable[[int], Iterator[Any]],
    label_of: Callable[[Any], torch.Tensor],
) -> None:
    """Time epochs, after one that is not timed. All rows must arrive, in batches, in another order than the file's."""
    labels = torch.cat([label_of(batch) for batch in epoch(0)])
    stored = read_columns(split).label
    assert torch.equal(labels.sort().values, stored.sort().values)
    assert not torch.equal(labels, stored)
    numbers = iter(range(1, ROUNDS + 1))

    def read() -> int:
        return sum(len(label_of(batch)) for batch in epoch(next(numbers)))

    benchmark.group = name
    rows = benchmark.pedantic(read, rounds=ROUNDS)
    assert rows == split.rows
    if benchmark.stats is not None:  # None with --benchmark-disable
        benchmark.extra_info["rows_per_s"] = split.rows / benchmark.stats.stats.min
