"""The cost of feedrate itself per step, as `feedrate calibrate` measures it."""

from __future__ import annotations

import os

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from feedrate.bench.calibration.harness_cost import harness_step_s
from feedrate.bench.timing import ranges

STEPS = 2_000
RANGES = 10_000


def test_harness_step(benchmark: BenchmarkFixture) -> None:
    """A round is 2,000 steps of a trial's loop, with a loader and a model that do nothing."""
    step_s = benchmark.pedantic(harness_step_s, args=("cpu",), kwargs={"steps": STEPS, "rounds": 1}, rounds=5)
    benchmark.extra_info["step_us"] = step_s * 1e6
    assert step_s < 20e-6


def test_range(benchmark: BenchmarkFixture) -> None:
    """A round is 10,000 ranges with a payload that nobody records. Each must take less than 1 us."""
    if "NVTX_INJECTION64_PATH" in os.environ:
        pytest.skip("a profiler is recording this process")

    def enter() -> None:
        for number in range(RANGES):
            with ranges.span("step", number):
                pass

    benchmark.pedantic(enter, rounds=20, warmup_rounds=1)
    stats = benchmark.stats.stats  # type: ignore[union-attr]  # set after a round
    benchmark.extra_info["range_us"] = stats.min / RANGES * 1e6
    assert stats.min / RANGES < 1e-6
