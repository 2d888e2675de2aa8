"""Flags: what a reader must know about a trial even if its status is ok. Each is a sentence that names what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from feedrate.bench.results.gpu_record import GpuRecord
from feedrate.bench.results.record import EpochRecord, TrialResult

UNSHUFFLED = 0.05
"""Shuffle quality below which an order counts as that of the files."""
LEAK_EPOCHS = 3
"""Consecutive epochs that must all have grown before growth is called a leak."""
LEAK_FRACTION = 0.01
"""Share of the memory in use that each of them must have added."""
OVER_BUDGET = 0.1
"""Share of the memory budget by which a loader may exceed it."""

OFF_CLOCK = 0.1
"""Share of an epoch's cost that a loader may spend between two epochs."""
OFF_CLOCK_S = 0.02
"""Seconds that it may spend there in any case. The system counts the time of worker processes in steps of 0.01 s."""
LATE, LATE_S = 2.0, 0.02
"""An epoch that a loader could not expect may take so many times as long as the slowest timed one, and so many seconds more."""
CORE_WAIT = "a thread of the trial waited for a core"
"""How the flag of a busy machine begins, for those who compare flags of loaders."""
MAX_CORE_WAIT = 0.1
"""Share of the time that a thread may wait for a core."""


def raised(trial: TrialResult, *, repeated_order: str = "", late_epoch_s: float | None = None) -> TrialResult:
    """Return the trial with the flags that its own process can raise.

    repeated_order: a sentence if epochs had the same order. late_epoch_s: time of an epoch after the timed ones.
    """
    flags = [
        *_shuffle(trial, repeated_order),
        *_leak(trial),
        *_cache(trial),
        *_over_budget(trial),
        *_off_clock(trial, late_epoch_s),
        *_cores(trial),
    ]
    return replace(trial, flags=(*trial.flags, *flags))


def throttled(gpu: GpuRecord | None) -> tuple[str, ...]:
    """Return the flag that the suite raises, which watches the device."""
    return (f"the GPU was throttled: {', '.join(gpu.throttled)}",) if gpu and gpu.throttled else ()


def _shuffle(trial: TrialResult, repeated_order: str) -> list[str]:
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
    if repeated_order and not (shuffle and shuffle.quality < UNSHUFFLED):
        flags.append(repeated_order)
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
    budget = trial.spec.memory_budget_bytes
    return [
        f"the loader held {held / 1e6:,.0f} MB of {where} memory, over its budget of {budget / 1e6:,.0f} MB"
        for where, held in (("device", trial.peak_loader_gpu_bytes), ("host", trial.peak_loader_host_bytes))
        if held is not None and budget is not None and held > budget * (1 + OVER_BUDGET)
    ]


def _off_clock(trial: TrialResult, late_epoch_s: float | None) -> list[str]:
    """Flags for work that belongs to the timed epochs and was done outside them."""
    epochs = trial.epochs or ()
    steady = trial.steady
    if not steady:
        return []
    flags = []
    epoch_s = sum(max(epoch.wall_s, epoch.cpu_s or 0.0) for epoch in steady) / len(steady)
    for what, spent_s in (("CPU", trial.off_clock_cpu_s), ("device", trial.off_clock_device_s)):
        each_s = (spent_s or 0.0) / len(epochs)
        if each_s > max(OFF_CLOCK * epoch_s, OFF_CLOCK_S):
            flags.append(
                f"the loader worked between the timed epochs: {each_s:.3g} {what} seconds each time, "
                f"{each_s / epoch_s:.0%} of what an epoch costs"
            )
    if late_epoch_s is not None and is_late(late_epoch_s, steady):
        longest_s = max(epoch.wall_s for epoch in steady)
        flags.append(
            f"an epoch that the loader could not expect took {late_epoch_s:.3g} s, {late_epoch_s / longest_s:.1f} times as long as the "
            "slowest timed one: work of the timed epochs was done before the clock started"
        )
    return flags


def is_late(epoch_s: float, steady: Sequence[EpochRecord]) -> bool:
    """Whether an epoch that a loader could not expect took much longer than the slowest timed one."""
    return epoch_s > LATE * max(epoch.wall_s for epoch in steady) + LATE_S


def _cores(trial: TrialResult) -> list[str]:
    wall_s = sum(epoch.wall_s for epoch in trial.steady)
    waited_s = sum(max(epoch.run_queue_s or 0.0, epoch.others_run_queue_s or 0.0) for epoch in trial.steady)
    if not wall_s or waited_s <= MAX_CORE_WAIT * wall_s:
        return []
    return [f"{CORE_WAIT} {min(waited_s / wall_s, 1):.0%} of the time: more threads than cores were busy"]
