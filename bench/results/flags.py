"""Flags: what a reader must know about a trial even if its status is ok. Each is a sentence that names what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from feedrate.bench.results.gpu_record import GpuRecord
from feedrate.bench.results.record import TrialResult

UNSHUFFLED = 0.05
"""Shuffle quality below which an order counts as that of the files."""
LEAK_EPOCHS = 3
"""Consecutive epochs that must all have grown before growth is called a leak."""
LEAK_FRACTION = 0.01
"""Share of the memory in use that each of them must have added."""
OVER_BUDGET = 0.1
"""Share of the memory budget by which a loader may exceed it."""


def raised(trial: TrialResult, *, same_order: bool) -> TrialResult:
    """Return the trial with the flags that its own process can raise."""
    flags = [*_shuffle(trial, same_order), *_leak(trial), *_cache(trial), *_over_budget(trial)]
    return replace(trial, flags=(*trial.flags, *flags))


def throttled(gpu: GpuRecord | None) -> tuple[str, ...]:
    """Return the flag that the suite raises, which watches the device."""
    return (f"the GPU was throttled: {', '.join(gpu.throttled)}",) if gpu and gpu.throttled else ()


def _shuffle(trial: TrialResult, same_order: bool) -> list[str]:
    if not trial.spec.shuffle:
        return []
    flags, shuffle = [], trial.shuffle
    if shuffle and shuffle.quality < min(UNSHUFFLED, shuffle.expected_low):
        flags.append(f"the rows were not shuffled, although they should be: shuffle quality {shuffle.quality:.3f} of 1")
    elif shuffle and shuffle.quality < shuffle.expected_low:
        flags.append(
            f"the rows were only partly shuffled: quality {shuffle.quality:.3f}, but an ideal shuffle has {shuffle.expected_low:.3f} to 1 "
            f"(displacement {shuffle.displacement:.3f}, batch diversity {shuffle.diversity:.3f})"
        )
    if same_order and not (shuffle and shuffle.quality < UNSHUFFLED):
        flags.append("two epochs began with the same rows in the same order")
    return flags


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
    """Return the smallest growth between epochs after the first one if every epoch grew notably, otherwise 0."""
    steps = [after - before for before, after in pairwise(used[1:])]
    if len(steps) < LEAK_EPOCHS or min(steps) < LEAK_FRACTION * used[0]:
        return 0
    return min(steps)


def _cache(trial: TrialResult) -> list[str]:
    resident = trial.resident_fraction
    if resident is None:
        return []
    missed = resident < 0.95 if trial.spec.cache == "warm" else resident > 0.05
    return [f"the page cache should be {trial.spec.cache}, but held {resident:.0%} of the files"] if missed else []


def _over_budget(trial: TrialResult) -> list[str]:
    held, budget = trial.peak_loader_gpu_bytes, trial.spec.memory_budget_bytes
    if held is None or budget is None or held <= budget * (1 + OVER_BUDGET):
        return []
    return [f"the loader held {held / 1e6:,.0f} MB of device memory, over its budget of {budget / 1e6:,.0f} MB"]
