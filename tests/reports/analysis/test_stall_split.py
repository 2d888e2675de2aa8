from __future__ import annotations

from dataclasses import replace

import pytest

from feedrate.bench.results.record import EpochRecord, HarnessRecord, TrialResult
from feedrate.reports.analysis.stall_split import StallSplit, split
from sample_record import trial

HARNESS = HarnessRecord(step_s=0.001, steps=1, null_rows_per_s=1e9)


def _trial(mode: str, wall_s: float, wait_s: float, cpu_s: float = 0.0) -> TrialResult:
    epoch = EpochRecord(
        rows=1000, wall_s=wall_s, wait_s=wait_s, stall_s=wait_s, wait_cpu_s=cpu_s, wait_others_cpu_s=0.0
    )
    return replace(trial("a", mode, 1), epochs=(epoch,))  # type: ignore[arg-type]


def _split(train: TrialResult, replay: TrialResult, harness: HarnessRecord | None = None) -> StallSplit:
    found = split([train], [replay], harness)
    assert found is not None
    return found


def test_two_ways_agree_where_nothing_else_happens() -> None:
    found = _split(_trial("train", 10, 4), _trial("replay", 6, 0))
    assert (found.direct, found.differential) == (pytest.approx(0.4), pytest.approx(0.4))
    assert (found.fetch, found.decode, found.contention) == (pytest.approx(0.4), 0, pytest.approx(0))


def test_steps_that_are_slower_beside_the_loader_are_contention_and_the_difference() -> None:
    found = _split(_trial("train", 10, 4), _trial("replay", 5, 0))
    assert found.contention == pytest.approx(0.1)
    assert found.difference == pytest.approx(0.1)


def test_the_parts_are_the_whole() -> None:
    found = _split(_trial("train", 10, 4, cpu_s=3), _trial("replay", 5, 0), HARNESS)
    assert found.overhead == pytest.approx(0.001)  # ten steps of a millisecond in ten seconds
    parts = found.fetch + found.decode + found.copy + found.overhead + found.contention
    assert parts == pytest.approx(found.differential)


def test_without_a_ceiling_or_the_measurements_there_is_none() -> None:
    assert split([_trial("train", 10, 4)], [], HARNESS) is None
    assert split([trial("a", "train", 1)], [trial("replay", "replay", 1)], HARNESS) is None
