from __future__ import annotations

from feedrate.bench.calibrate import harness_step_s, measure
from feedrate.bench.sampling import cost


def test_the_harness_knows_its_own_cost() -> None:
    """That it is at most 20 us on an unloaded machine is what tests/benchmarks/test_harness.py is for."""
    found = measure()
    assert 0 < found.step_s < 1e-3
    assert found.null_rows_per_s == 32_768 / found.step_s  # multiplied back it would be off by a rounding now and then


def test_a_longer_loop_costs_the_same_a_step() -> None:
    assert harness_step_s("cpu", steps=200, rounds=3) < 1e-3


def test_looking_at_a_process_is_measured_in_pairs_of_the_same_work() -> None:
    """What it comes to is said by `feedrate calibrate --sampling`, on a machine that does nothing else."""
    found = cost("launches", "cpu", pairs=2, block_s=0.05)
    assert found.n == 2
    assert found.mean > 0
