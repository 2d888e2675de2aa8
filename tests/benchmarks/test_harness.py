"""What feedrate itself costs a step, as `feedrate calibrate` measures it."""

from __future__ import annotations

from pytest_benchmark.fixture import BenchmarkFixture

from feedrate.bench.calibrate import harness_step_s

STEPS = 2_000


def test_harness_step(benchmark: BenchmarkFixture) -> None:
    """A round is 2,000 steps of a trial's loop with a loader and a model that do nothing."""
    found = benchmark.pedantic(harness_step_s, args=("cpu",), kwargs={"steps": STEPS, "rounds": 1}, rounds=5)
    benchmark.extra_info["step_us"] = found * 1e6
    assert found < 20e-6
