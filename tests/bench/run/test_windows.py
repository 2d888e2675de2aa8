from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from feedrate.bench.host.thread_times import run_queue_s
from feedrate.bench.results.record import EpochRecord, TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.windows import Stamp, clock_fault, suspended

SPEC = TrialSpec(loader="x", mode="load", repeat=0, seed=0, batch_size=1, epochs=5, device="cpu")
Windows = list[tuple[float, float]]


def windows(seconds: float, *, count: int = 5, pause: float = 0.3) -> Windows:
    return [(100 + at * (seconds + pause), 100 + at * (seconds + pause) + seconds) for at in range(count)]


def result(timed: Windows) -> TrialResult:
    epochs = tuple(EpochRecord(rows=1, wall_s=end - begin, wait_s=0) for begin, end in timed)
    return TrialResult(spec=SPEC, status="ok", epochs=epochs)


def stamps(true: Windows, late: list[float] | None = None, queued_s: float = 0.0) -> list[Stamp]:
    """Marks that arrive late by the given seconds, and as many seconds of waiting for a core."""
    delays = iter(late or [0.0] * 2 * len(true))
    marks = [
        Stamp(mark, at + next(delays), 0.0)
        for begin, end in true
        for mark, at in (("window begins", begin), ("window ended", end))
    ]  # type: ignore[misc]
    return [*marks[:-1], replace(marks[-1], queued_s=queued_s)]


def slowed(true: Windows, rate: float) -> Windows:
    return [(begin * rate, end * rate) for begin, end in true]


@pytest.mark.parametrize("rate", [0.5, 0.9, 1.0, 1.1, 2.0])
@pytest.mark.parametrize("seconds", [0.5, 2.0, 60.0])
def test_a_clock_at_another_rate_is_found(rate: float, seconds: float) -> None:
    true = windows(seconds)
    timed = slowed(true, rate)
    fault = clock_fault(result(timed), timed, stamps(true))
    assert bool(fault) == (rate != 1.0)
    if rate == 0.5 and seconds == 2.0:
        assert fault == "its clock shows 5.00 s for the timed epochs, the suite's clock 10.00 s"


def test_a_clock_that_stops_within_the_windows_only_is_found() -> None:
    true = windows(2.0)
    timed = [(begin, end - 1.0) for begin, end in true]
    assert "its clock shows 5.00 s for the timed epochs" in clock_fault(result(timed), timed, stamps(true))


def test_a_clock_that_stops_between_the_windows_is_found() -> None:
    true = windows(0.1, pause=3.0)
    timed = windows(0.1, pause=0.3)
    assert "from the first timed epoch to the last" in clock_fault(result(timed), timed, stamps(true))


def test_a_record_that_does_not_match_its_windows_is_found() -> None:
    true = windows(2.0)
    assert clock_fault(result(windows(1.0)), true, stamps(true))
    assert clock_fault(result(true), true, stamps(true)) == ""


def test_marks_that_do_not_match_the_epochs_are_found() -> None:
    true = windows(2.0)
    marks = stamps(true)
    sentence = "its record has 5 timed epochs and 5 windows, but the suite was told of"
    for wrong in ([], marks[2:], [*marks, *marks[:2]], marks[::-1]):
        assert sentence in clock_fault(result(true), true, wrong)
    assert "0 windows" in clock_fault(result(true), [], marks)


@pytest.mark.parametrize("seconds", [1e-4, 0.01, 0.2, 5.0])
def test_marks_that_arrive_late_on_a_busy_machine_are_no_fault(seconds: float) -> None:
    """Each mark waits up to 5 ms for the interpreter lock, and for a core as long as the system says."""
    random = Random(0)
    for _ in range(200):
        true = windows(seconds, count=20, pause=0.01)
        cores = [random.expovariate(1 / 0.01) for _ in range(40)]
        late = [core + random.uniform(0, 0.005) for core in cores]
        assert clock_fault(result(true), true, stamps(true, late, queued_s=sum(cores))) == ""


def test_a_machine_that_was_suspended_during_the_timed_epochs_is_named() -> None:
    before = stamps(windows(2.0))
    asleep = [replace(stamp, suspended_s=3600.0 if at < 4 else 3612.5) for at, stamp in enumerate(before)]
    assert suspended(asleep) == (
        "the machine was suspended for 12.5 s during the timed epochs: caches and clocks of the device changed",
    )
    assert suspended(before) == suspended([]) == ()
    assert suspended([replace(stamp, suspended_s=3600.0) for stamp in before]) == ()


def test_the_wait_for_a_core_only_grows() -> None:
    before = run_queue_s()
    assert 0 <= before <= run_queue_s()
