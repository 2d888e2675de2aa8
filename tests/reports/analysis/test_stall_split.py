from __future__ import annotations

from dataclasses import replace

import pytest

from feedrate.bench.results.record import EpochRecord, HarnessRecord, TrialResult
from feedrate.reports.analysis.stall_split import StallSplit, split
from tests.samples.sample_record import trial

HARNESS = HarnessRecord(step_s=0.001, steps=1, null_rows_per_s=1e9)


def _trial(mode: str, wall_s: float, wait_s: float, cpu_s: float = 0.0) -> TrialResult:
    epoch = EpochRecord(
        rows=1000, wall_s=wall_s, wait_s=wait_s, stall_s=wait_s, wait_cpu_s=cpu_s, wait_others_cpu_s=0.0
    )
    return replace(trial("a", mode, 1), epochs=(epoch,))  # type: ignore[arg-type]


def _split(train: TrialResult, replay: TrialResult, harness: HarnessRecord | None = None) -> StallSplit:
    result = split([train], [replay], harness)
    assert result is not None
    return result


def test_both_methods_agree_if_nothing_else_happens() -> None:
    result = _split(_trial("train", 10, 4), _trial("replay", 6, 0))
    assert (result.direct, result.differential) == (pytest.approx(0.4), pytest.approx(0.4))
    assert (result.fetch, result.decode, result.contention) == (pytest.approx(0.4), 0, pytest.approx(0))


def test_steps_that_are_slower_beside_the_loader_count_as_contention_and_as_the_difference() -> None:
    result = _split(_trial("train", 10, 4), _trial("replay", 5, 0))
    assert result.contention == pytest.approx(0.1)
    assert result.difference == pytest.approx(0.1)


def test_the_parts_sum_to_the_differential_loss() -> None:
    result = _split(_trial("train", 10, 4, cpu_s=3), _trial("replay", 5, 0), HARNESS)
    assert result.overhead == pytest.approx(0.001)  # ten steps of a millisecond in ten seconds
    parts = result.fetch + result.decode + result.copy + result.overhead + result.contention
    assert parts == pytest.approx(result.differential)


def test_there_is_no_split_without_a_ceiling_or_its_measurements() -> None:
    assert split([_trial("train", 10, 4)], [], HARNESS) is None
    assert split([trial("a", "train", 1)], [trial("replay", "replay", 1)], HARNESS) is None


def test_the_loss_between_trials_is_that_of_the_share_of_the_ceiling_even_if_rounds_differ() -> None:
    """Pooled over rounds, one slow round would weigh a hundred times as much as the others."""
    walls = [1.0, 1.1, 100.0]
    train = [_of_round(_trial("train", wall, 0.1), number) for number, wall in enumerate(walls)]
    replay = [_of_round(_trial("replay", 0.8 * wall, 0), number) for number, wall in enumerate(walls)]
    result = split(train, replay, None)
    assert result is not None
    assert result.differential == pytest.approx(0.2)


def _of_round(result: TrialResult, repeat: int) -> TrialResult:
    return replace(result, spec=replace(result.spec, repeat=repeat))
