"""Long records: a published one, multiplied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, cycle, islice
from pathlib import Path
from random import Random

from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord, TrialResult

PUBLISHED = Path(__file__).parents[2] / "reports" / "published"


def long_record(trials: int, *, steps: int = 20, seed: int = 0) -> RunRecord:
    """A record of so many trials: those of a published one again and again, each time as another round with other speeds.

    steps: steps of an epoch. With 2,500, 10,000 trials take a gigabyte.
    """
    record = store.read(PUBLISHED / "h100-nvtabular-2026-11-25")
    batch_size = -(-record.dataset.train_rows // steps)
    first = [trial for trial in record.trials if trial.status == "ok" and trial.spec.repeat == 0]
    first = [_with_batches_of(batch_size, trial) for trial in first]
    return replace(record, trials=tuple(islice(_rounds(first, Random(seed)), trials)))


def _with_batches_of(size: int, trial: TrialResult) -> TrialResult:
    """The trial with so large batches that one of its epochs has few steps. It keeps those of the first epoch."""
    assert trial.epochs
    steps = -(-trial.epochs[0].rows // size)
    waits, times = (list(islice(cycle(values or (0.001,)), steps)) for values in (trial.step_wait_s, trial.step_s))
    return replace(trial, spec=replace(trial.spec, batch_size=size), step_wait_s=tuple(waits), step_s=tuple(times))


def _rounds(trials: Sequence[TrialResult], random: Random) -> Iterator[TrialResult]:
    for repeat in count():
        for trial in trials:
            slower = random.gauss(1.1, 0.01)
            epochs = tuple(replace(epoch, wall_s=epoch.wall_s * slower) for epoch in trial.epochs or ())
            yield replace(trial, spec=replace(trial.spec, repeat=repeat), epochs=epochs)
