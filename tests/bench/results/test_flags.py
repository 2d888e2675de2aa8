from __future__ import annotations

from dataclasses import replace

import pytest

from feedrate.bench.results import flags
from feedrate.bench.results.gpu_record import GpuRecord
from feedrate.bench.results.record import ShuffleRecord
from tests.samples.sample_record import trial

TRIAL = trial("a", "load", 100)
IDEAL = ShuffleRecord(quality=0.99, displacement=1.0, diversity=0.99, expected_low=0.98, samples=9999)


def test_a_right_trial_has_none() -> None:
    assert flags.raised(replace(TRIAL, shuffle=IDEAL, resident_fraction=1.0), same_order=False).flags == ()


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
    raised_flags = flags.raised(replace(TRIAL, shuffle=shuffle), same_order=same_order).flags
    assert len(raised_flags) == len(words)
    assert all(word in flag for word, flag in zip(words, raised_flags, strict=True))
    unshuffled = replace(TRIAL, shuffle=shuffle, spec=replace(TRIAL.spec, shuffle=False))
    assert flags.raised(unshuffled, same_order=same_order).flags == ()


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
    warm = flags.raised(replace(TRIAL, resident_fraction=0.4), same_order=False)
    assert warm.flags == ("the page cache should be warm, but held 40% of the files",)
    cold = replace(TRIAL, resident_fraction=0.4, spec=replace(TRIAL.spec, cache="cold"))
    assert flags.raised(cold, same_order=False).flags == ("the page cache should be cold, but held 40% of the files",)


def test_throttling_is_named() -> None:
    gpu = GpuRecord(samples=5, period_s=0.1, throttled=("hardware slowdown",))
    assert flags.throttled(gpu) == ("the GPU was throttled: hardware slowdown",)
    assert flags.throttled(replace(gpu, throttled=())) == flags.throttled(None) == ()


@pytest.mark.parametrize(("held_mb", "words"), [(1090, ()), (1200, ("over its budget of 1,000 MB",)), (None, ())])
def test_a_loader_that_holds_more_than_its_budget_is_named(held_mb: int | None, words: tuple[str, ...]) -> None:
    spec = replace(TRIAL.spec, memory_budget_bytes=10**9)
    raised_flags = flags.raised(
        replace(TRIAL, spec=spec, peak_loader_gpu_bytes=held_mb and held_mb * 10**6), same_order=False
    ).flags
    assert len(raised_flags) == len(words)
    assert all(word in flag for word, flag in zip(words, raised_flags, strict=True))
