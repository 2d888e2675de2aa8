from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch

from feedrate.bench.timing.epoch_clock import EpochClock
from feedrate.bench.timing.ranges import span
from feedrate.loaders.base import Batch


class FakeTime:
    """A monotonic() that advances only when told to."""

    def __init__(self) -> None:
        self.at = 100.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(time, "monotonic", fake.monotonic)
    return fake


def _batches(clock: FakeTime, delays_s: list[float], end_s: float = 0.0) -> Iterator[Batch]:
    for number, delay_s in enumerate(delays_s):
        clock.at += delay_s
        yield Batch({}, {}, {}, torch.zeros(number + 1))
    clock.at += end_s


def test_the_clock_starts_before_the_first_request_and_counts_rows_delivered(clock: FakeTime) -> None:
    epoch = EpochClock(lambda: _batches(clock, [5.0, 1.0, 2.0], end_s=0.5), "cpu")
    for _ in epoch:
        clock.at += 10.0
    assert epoch.rows == 1 + 2 + 3
    assert epoch.wall_s == 5 + 1 + 2 + 0.5 + 3 * 10
    assert epoch.waits_s == [5.0, 1.0, 2.0]
    assert epoch.wait_s == 8.5
    assert epoch.steps_s == [15.0, 11.0, 12.0]
    assert epoch.window == (100.0, 138.5)


def test_work_before_the_iterator_is_returned_counts_as_waiting(clock: FakeTime) -> None:
    def start() -> Iterator[Batch]:
        clock.at += 7.0
        return _batches(clock, [1.0])

    epoch = EpochClock(start, "cpu")
    assert len(list(epoch)) == 1
    assert (epoch.wall_s, epoch.waits_s) == (8.0, [8.0])


def test_an_epoch_without_batches_has_no_steps(clock: FakeTime) -> None:
    epoch = EpochClock(lambda: _batches(clock, [], end_s=1.0), "cpu")
    assert list(epoch) == []
    assert (epoch.rows, epoch.wall_s, epoch.waits_s, epoch.wait_s) == (0, 1.0, [], 1.0)


def test_spans_nest_and_let_errors_through() -> None:
    with pytest.raises(KeyError), span("epoch"), span("next"):
        raise KeyError
