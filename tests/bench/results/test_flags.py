from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from feedrate.bench.results import flags
from feedrate.bench.results.gpu_record import GpuRecord
from feedrate.bench.results.record import EpochRecord, ShuffleRecord
from tests.samples.sample_record import trial

TRIAL = trial("a", "load", 100)
IDEAL = ShuffleRecord(quality=0.99, displacement=1.0, diversity=0.99, expected_low=0.98, samples=9999)


def test_a_right_trial_has_none() -> None:
    assert flags.raised(replace(TRIAL, shuffle=IDEAL, resident_fraction=1.0)).flags == ()


SAME = "two epochs began with the same rows in the same order"


@pytest.mark.parametrize(
    ("quality", "same_order", "words"),
    [
        (0.01, True, ["were not shuffled"]),
        (0.5, False, ["only partly shuffled: quality 0.500"]),
        (0.99, True, ["began with the same rows in the same order"]),
    ],
)
def test_bad_shuffles_are_named(quality: float, same_order: bool, words: list[str]) -> None:
    shuffle = replace(IDEAL, quality=quality)
    raised_flags = flags.raised(replace(TRIAL, shuffle=shuffle), repeated_order=SAME * same_order).flags
    assert len(raised_flags) == len(words)
    assert all(word in flag for word, flag in zip(words, raised_flags, strict=True))
    unshuffled = replace(TRIAL, shuffle=shuffle, spec=replace(TRIAL.spec, shuffle=False))
    assert flags.raised(unshuffled, repeated_order=SAME * same_order).flags == ()


@pytest.mark.parametrize(
    ("used_mb", "leak_mb"),
    [
        ([400, 410, 420, 430, 440], 10),
        ([400, 410, 410, 430, 440], 0),  # not in every epoch
        ([400, 401, 402, 403, 404], 0),  # too little to be told from an allocator at work
        ([400, 800, 800, 800, 800], 0),  # the first epoch takes what it needs
        ([400, 500, 600], 0),  # too few epochs to call it one
    ],
)
def test_steady_growth_is_a_leak(used_mb: list[int], leak_mb: int) -> None:
    assert flags.steady_growth([mb * 1_000_000 for mb in used_mb]) == leak_mb * 1_000_000


def test_a_page_cache_that_was_not_as_asked_is_named() -> None:
    warm = flags.raised(replace(TRIAL, resident_fraction=0.4))
    assert warm.flags == ("the page cache should be warm, but held 40% of the files",)
    cold = replace(TRIAL, resident_fraction=0.4, spec=replace(TRIAL.spec, cache="cold"))
    assert flags.raised(cold).flags == ("the page cache should be cold, but held 40% of the files",)


def test_throttling_is_named() -> None:
    gpu = GpuRecord(samples=5, period_s=0.1, throttled=("hardware slowdown",))
    assert flags.throttled(gpu) == ("the GPU was throttled: hardware slowdown",)
    assert flags.throttled(replace(gpu, throttled=())) == flags.throttled(None) == ()


@pytest.mark.parametrize(("held_mb", "words"), [(1090, ()), (1200, ("over its budget of 1,000 MB",)), (None, ())])
def test_a_loader_that_holds_more_than_its_budget_is_named(held_mb: int | None, words: tuple[str, ...]) -> None:
    spec = replace(TRIAL.spec, memory_budget_bytes=10**9)
    for field in ("peak_loader_gpu_bytes", "peak_loader_host_bytes"):
        held = replace(TRIAL, spec=spec, **{field: held_mb and held_mb * 10**6})
        raised_flags = flags.raised(held).flags
        assert len(raised_flags) == len(words)
        assert all(word in flag for word, flag in zip(words, raised_flags, strict=True))


EPOCHS = tuple(EpochRecord(rows=1000, wall_s=wall_s, wait_s=0.1, cpu_s=0.4) for wall_s in (0.9, 0.4, 0.5))


@pytest.mark.parametrize(
    ("changes", "late_s", "word"),
    [
        ({"off_clock_cpu_s": 0.1}, 0.5, ""),  # 0.033 s each time, under 10 % of 0.45 s
        ({"off_clock_cpu_s": 0.3}, 0.5, "worked between the timed epochs: 0.1 CPU seconds each time, 22%"),
        ({"off_clock_device_s": 0.3}, 0.5, "0.1 device seconds each time"),
        ({}, 1.01, ""),
        ({}, 1.2, "took 1.2 s, 2.4 times as long as the slowest timed one"),
        ({}, None, ""),
    ],
)
def test_work_outside_the_windows_is_named(changes: dict[str, Any], late_s: float | None, word: str) -> None:
    trial = flags.raised(replace(TRIAL, epochs=EPOCHS, first_epochs=1, **changes), late_epoch_s=late_s)
    assert len(trial.flags) == bool(word)
    assert all(word in flag for flag in trial.flags)


@pytest.mark.parametrize(("own_s", "others_s", "share"), [(0.04, 0.0, ""), (0.2, 0.0, "44%"), (0.0, 0.1, "22%")])
def test_waiting_for_a_core_is_named(own_s: float, others_s: float, share: str) -> None:
    epochs = tuple(replace(epoch, run_queue_s=own_s, others_run_queue_s=others_s) for epoch in EPOCHS)
    raised_flags = flags.raised(replace(TRIAL, epochs=epochs, first_epochs=1)).flags
    assert len(raised_flags) == bool(share)
    assert all(f"waited for a core {share} of the time" in flag for flag in raised_flags)
