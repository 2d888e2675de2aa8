"""The gather of packed rows on the CPU, with and without asking for rows before they are needed. A round is 100 blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from feedrate.loaders.packed.host_kernels import compiled, gather

ROWS, BLOCK, BLOCKS = 4_000_000, 32_768, 100


@compiled
def plain_gather(rows: np.ndarray, order: np.ndarray, out: np.ndarray) -> None:
    for place in range(len(order)):
        out[place] = rows[order[place]]


@pytest.mark.parametrize("ahead", [False, True], ids=["plain", "ahead"])
def test_gather(benchmark: BenchmarkFixture, ahead: bool) -> None:
    memory = torch.from_numpy(np.zeros((ROWS, 16), np.uint8))  # NumPy asks for huge pages, as for the loader's rows
    memory.fill_(1)
    rows, out = memory.numpy().view(np.complex128)[:, 0], np.empty(BLOCK, np.complex128)
    order = torch.randperm(ROWS, dtype=torch.int32).numpy()
    take = gather if ahead else plain_gather

    def blocks() -> None:
        for number in range(BLOCKS):
            take(rows, order[number * BLOCK : (number + 1) * BLOCK], out)

    benchmark.group = "gather 32,768 rows"
    benchmark.pedantic(blocks, rounds=20, warmup_rounds=1)
    benchmark.extra_info["block_us"] = benchmark.stats.stats.min / BLOCKS * 1e6  # type: ignore[union-attr]
