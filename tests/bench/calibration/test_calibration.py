from __future__ import annotations

import pytest

from feedrate.bench.calibration import sampling
from feedrate.bench.calibration.harness_cost import harness_step_s, measure
from feedrate.bench.host.watch import Watch


def test_the_harness_knows_its_own_cost() -> None:
    """That it is at most 20 us on an unloaded machine is what tests/benchmarks/test_harness.py is for."""
    found = measure()
    assert 0 < found.step_s < 1e-3
    assert found.null_rows_per_s == 32_768 / found.step_s  # multiplied back it would be off by a rounding now and then


def test_a_longer_loop_costs_the_same_a_step() -> None:
    assert harness_step_s("cpu", steps=200, rounds=3) < 1e-3


def test_a_process_is_looked_at_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it comes to is said by `feedrate calibrate --sampling`, on a machine that does nothing else."""
    watches: list[Watch] = []
    paused: list[bool] = []

    class Seen(Watch):
        def __init__(self, pid: int) -> None:
            super().__init__(pid)
            watches.append(self)

        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if name == "paused":
                paused.append(bool(value))

    monkeypatch.setattr(sampling, "Watch", Seen)
    found = sampling.cost("launches", "cpu", pairs=2, block_s=0.25)
    assert found.n == 2
    assert paused[-5:] == [True, False, True, True, False]
    assert watches[0].peak_rss_bytes > 0
