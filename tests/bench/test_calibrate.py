from __future__ import annotations

from feedrate.bench.calibrate import harness_step_s, measure


def test_the_harness_knows_its_own_cost() -> None:
    """That it is at most 20 us on an unloaded machine is what tests/benchmarks/test_harness.py is for."""
    found = measure()
    assert 0 < found.step_s < 1e-3
    assert found.null_rows_per_s == 32_768 / found.step_s  # multiplied back it would be off by a rounding now and then


def test_a_longer_loop_costs_the_same_a_step() -> None:
    assert harness_step_s("cpu", steps=200, rounds=3) < 1e-3
