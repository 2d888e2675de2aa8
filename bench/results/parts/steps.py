"""How many steps the epochs of a trial have."""

from __future__ import annotations

from feedrate.bench.results.record import TrialResult


def steps_of(trial: TrialResult) -> list[int]:
    """Return the steps of each epoch, which are rank 0's if several ranks ran the trial: each epoch has a batch a step."""
    epochs = trial.ranks.ranks[0].epochs if trial.ranks and trial.ranks.ranks else trial.epochs or ()
    return [-(-epoch.rows // trial.spec.batch_size) for epoch in epochs]
