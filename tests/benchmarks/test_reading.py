"""What it costs to read a batch on the CPU: by torch, tensor by tensor, and by one compiled loop. A round is 500 batches."""

from __future__ import annotations

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from feedrate.bench.consumer.host_reading import HostReader
from feedrate.bench.consumer.reading import TensorReader
from feedrate.loaders.base import Batch

BATCHES = 500


@pytest.mark.parametrize("rows", [1_024, 32_768])
@pytest.mark.parametrize("reader", [TensorReader, HostReader])
def test_reading(benchmark: BenchmarkFixture, reader: type[TensorReader | HostReader], rows: int) -> None:
    ids, bag = torch.arange(rows, dtype=torch.int32), torch.arange(2 * rows, dtype=torch.int32)
    offsets = torch.arange(0, 2 * rows + 1, 2, dtype=torch.int32)
    batch = Batch({"user": ids, "movie": ids.clone()}, {"genres": (bag, offsets)}, {}, torch.ones(rows))
    read = reader(5)

    def epoch() -> None:
        read.begin(BATCHES)
        for _ in range(BATCHES):
            read(batch)

    benchmark.group = f"read {rows:,} rows"
    benchmark.pedantic(epoch, rounds=20, warmup_rounds=1)
    benchmark.extra_info["batch_us"] = benchmark.stats.stats.min / BATCHES * 1e6  # type: ignore[union-attr]
