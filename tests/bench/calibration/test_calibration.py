from __future__ import annotations

import contextlib
import time

import pytest

from feedrate.bench.calibration import harness_cost, sampling
from feedrate.bench.host.watch import Watch
from feedrate.bench.timing import epoch_clock


class SlowRanges:
    """Ranges that each take the same time on a clock of their own, which nothing else moves."""

    def __init__(self, seconds: float) -> None:
        self.at, self._seconds = 0.0, seconds

    def span(self, _name: str, _payload: int | None = None) -> contextlib.AbstractContextManager[None]:
        self.at += self._seconds
        return contextlib.nullcontext()


def test_the_cost_of_a_step_is_what_its_ranges_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step opens four ranges here, and next() a fifth."""
    ranges = SlowRanges(10e-6)
    monkeypatch.setattr(harness_cost, "span", ranges.span)
    monkeypatch.setattr(epoch_clock, "span", ranges.span)
    monkeypatch.setattr(harness_cost, "now", lambda: ranges.at)
    monkeypatch.setattr(time, "monotonic", lambda: ranges.at)
    step_s = harness_cost.harness_step_s("cpu", steps=1000, rounds=3)
    assert step_s == pytest.approx(50e-6, rel=0.002)  # the next() that finds the end comes on top


def test_the_ceiling_follows_from_the_cost_of_a_step() -> None:
    assert harness_cost.record_of(2e-6).null_rows_per_s == pytest.approx(16.384e9)


def test_the_cost_is_measured_in_a_process_of_its_own() -> None:
    record = harness_cost.measure()
    assert record.steps == harness_cost.STEPS
    assert record.step_s > 0


def test_a_process_is_sampled_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """`feedrate calibrate --sampling` measures the cost itself, on a machine that does nothing else."""
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
    measured = sampling.cost("launches", "cpu", pairs=2, block_s=0.25)
    assert measured.n == 2
    assert paused[-5:] == [True, False, True, True, False]
    assert watches[0].peak_rss_bytes > 0
