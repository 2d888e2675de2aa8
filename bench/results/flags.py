"""What a reader has to know of a trial though it is ok: each a sentence that names what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from feedrate.bench.results.record import GpuRecord, TrialResult

UNSHUFFLED = 0.05
"""Shuffle quality under which an order is the files'."""
LEAK_EPOCHS = 3
"""Steady epochs that must all have grown before growth is called a leak."""
LEAK_FRACTION = 0.01
"""Of what is in use, that each of them must have added."""

OVER_BUDGET = 0.1
"""Of the memory budget, that a loader may take on top."""


def raised(trial: TrialResult, *, same_order: bool) -> TrialResult:
    """The trial with the flags that its own process can raise."""
    found = [*_shuffle(trial, same_order), *_leak(trial), *_cache(trial), *_over_budget(trial)]
    return replace(trial, flags=(*trial.flags, *found))


def throttled(gpu: GpuRecord | None) -> tuple[str, ...]:
    """For the suite, which watches the device."""
    return (f"the GPU was throttled: {', '.join(gpu.throttled)}",) if gpu and gpu.throttled else ()


def _shuffle(trial: TrialResult, same_order: bool) -> list[str]:
    if not trial.spec.shuffle:
        return []
    found, shuffle = [], trial.shuffle
    if shuffle and shuffle.quality < min(UNSHUFFLED, shuffle.expected_low):
        found.append(f"the rows were not shuffled, though asked to be: shuffle quality {shuffle.quality:.3f} of 1")
    elif shuffle and shuffle.quality < shuffle.expected_low:
        found.append(
            f"the rows were shuffled only in part: quality {shuffle.quality:.3f}, and an ideal shuffle has {shuffle.expected_low:.3f} to 1 "
            f"(displacement {shuffle.displacement:.3f}, batch diversity {shuffle.diversity:.3f})"
        )
    if same_order and not (shuffle and shuffle.quality < UNSHUFFLED):
        found.append("two epochs began with the same rows in the same order")
    return found


def _leak(trial: TrialResult) -> list[str]:
    return [
        f"{where} memory grew by {growth / 1e6:,.1f} MB or more in every epoch: a leak?"
        for where, used in (
            ("host", [epoch.rss_bytes for epoch in trial.epochs or ()]),
            ("device", [epoch.gpu_bytes for epoch in trial.epochs or ()]),
        )
        if (growth := steady_growth([bytes_ for bytes_ in used if bytes_]))
    ]


def steady_growth(used: Sequence[int]) -> int:
    """The least growth from one epoch to the next after the first, where every one grew notably; else 0."""
    steps = [after - before for before, after in pairwise(used[1:])]
    if len(steps) < LEAK_EPOCHS or min(steps) < LEAK_FRACTION * used[0]:
        return 0
    return min(steps)


def _cache(trial: TrialResult) -> list[str]:
    resident = trial.resident_fraction
    if resident is None:
        return []
    missed = resident < 0.95 if trial.spec.cache == "warm" else resident > 0.05
    return [f"the page cache was to be {trial.spec.cache}, and held {resident:.0%} of the files"] if missed else []


def _over_budget(trial: TrialResult) -> list[str]:
    held, budget = trial.peak_loader_gpu_bytes, trial.spec.memory_budget_bytes
    if held is None or budget is None or held <= budget * (1 + OVER_BUDGET):
        return []
    return [f"the loader held {held / 1e6:,.0f} MB of device memory, over its budget of {budget / 1e6:,.0f} MB"]
