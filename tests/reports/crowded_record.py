"""A record that is hard to draw: many loaders with long names, many trials, a void baseline and an interval of hundreds of per cent."""

from __future__ import annotations

from dataclasses import replace
from math import sin
from pathlib import Path

from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord, TrialResult

REAL = Path(__file__).parents[2] / "reports" / "published" / "h100-2026-11-26" / "train"
"""A record of a GPU, with stalls, memory, AUC and the device's load over time."""
WORDS = ("parquet", "prefetch", "window", "part_size", "workers", "row_groups", "pinned")


def crowded_record(loaders: int = 14, repeats: int = 7) -> RunRecord:
    """Return a record of so many loaders, each with a name of 50 characters. The first one is the baseline, and void.

    The second loader's rates vary so much that the interval of their mean is over ±200 %.
    """
    real = store.read(REAL)
    replays = [trial for trial in real.trials if trial.spec.mode == "replay"]
    model = next(trial for trial in real.trials if trial.spec.mode == "train")
    trials = [_repeat(replays[0], replays[0].spec.loader, repeat, 1 + 0.01 * sin(repeat)) for repeat in range(repeats)]
    names = [long_name(number) for number in range(loaders)]
    for number, name in enumerate(names):
        for repeat in range(repeats):
            slower = (1 + number**1.5 / 8) * (1 + 0.02 * sin(7 * repeat + number))
            if number == 1:
                slower = 1.2 if repeat else 0.02
            training = _repeat(model, name, repeat, slower)
            alone = _repeat(
                replace(model, auc=None, loss=None, step_wait_s=None, spec=replace(model.spec, mode="load")),
                name,
                repeat,
                slower / 9,
            )
            trials += [training, alone] if number else [_void(training), _void(alone)]
    return replace(real, baseline=names[0], trials=tuple(trials))


def long_name(number: int) -> str:
    """Return a name of 50 characters. Names of neighbours differ in their middle only."""
    begin, end = f"loader-{number:02}-of-", f":{WORDS[number % len(WORDS)]}=true:memory_budget=16GB"
    return f"{begin}{'x' * (50 - len(begin) - len(end))}{end}"


def _repeat(real: TrialResult, loader: str, repeat: int, slower: float) -> TrialResult:
    """Return a trial as it would be if each of its times were `slower` times as long."""
    epochs = tuple(
        replace(epoch, wall_s=epoch.wall_s * slower, wait_s=epoch.wait_s * slower) for epoch in real.epochs or ()
    )
    return replace(
        real,
        spec=replace(real.spec, loader=loader, repeat=repeat),
        wall_s=(real.wall_s or 1.0) * slower,
        epochs=epochs,
        auc=tuple(auc + 0.001 * sin(3 * repeat) for auc in real.auc) if real.auc else None,
        step_wait_s=tuple(wait * slower for wait in real.step_wait_s[::20]) if real.step_wait_s else None,
        peak_pss_bytes=int((real.peak_pss_bytes or 1e9) * slower**0.3),
    )


def _void(trial: TrialResult) -> TrialResult:
    return replace(trial, status="void", detail="the epoch's rows differ from the dataset's")
