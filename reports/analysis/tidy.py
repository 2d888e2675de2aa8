"""Every epoch of every trial as a table: for Parquet, and for `feedrate.reports.load`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from feedrate.bench.results.record import EpochRecord, RunRecord, TrialResult
from feedrate.bench.results.spec import ModelSpec, TrialSpec
from feedrate.reports.analysis.metrics import METRICS

SPEC = tuple(field.name for field in dataclasses.fields(TrialSpec) if field.name != "model")
MODEL = tuple(field.name for field in dataclasses.fields(ModelSpec))
EPOCH = tuple(field.name for field in dataclasses.fields(EpochRecord))
STEPS = ("step_wait_s", "step_s")


def samples(runs: Sequence[tuple[str, RunRecord]], *, steps: bool = False) -> Iterator[dict[str, Any]]:
    """A dictionary for each epoch, all with the same keys in the same order; a trial without an epoch has one, whose epoch is None.

    steps: with the waits and durations of its steps, as lists.
    """
    for name, run in runs:
        for trial in run.trials:
            for number in range(max(len(trial.epochs or ()), 1)):
                yield {
                    **_of_trial(name, run, trial),
                    **_of_epoch(trial, number),
                    **(_steps(trial, number) if steps else {}),
                }


def _of_trial(name: str, run: RunRecord, trial: TrialResult) -> dict[str, Any]:
    environment, spec = run.environment, trial.spec
    return {
        "run": name,
        "commit": environment.commit,
        "started_at": trial.started_at,
        "gpu": environment.gpu,
        "cpu": environment.cpu,
        "cores": environment.cores,
        "dataset": run.dataset.name,
        **{field: getattr(spec, field) for field in SPEC},
        **{f"model_{field}": _listed(getattr(spec.model, field)) for field in MODEL},
        "status": trial.status,
        "detail": trial.detail,
        **{metric.name: _float(metric.of(trial)) if metric.mode == spec.mode else None for metric in METRICS},
    }


def _of_epoch(trial: TrialResult, number: int) -> dict[str, Any]:
    epochs = trial.epochs or ()
    own = epochs[number] if number < len(epochs) else None
    return {
        "epoch": number + 1 if own else None,
        "steady": number >= trial.first_epochs if own else None,
        **{f"epoch_{field}": getattr(own, field, None) for field in EPOCH},
        "epoch_rows_per_s": own.rows / own.wall_s if own and own.wall_s else None,
        "epoch_auc": _at(trial.auc, number),
        "epoch_loss": _at(trial.loss, number),
        "epoch_train_loss": _at(trial.train_loss, number),
    }


def _steps(trial: TrialResult, number: int) -> dict[str, Any]:
    """As many of the trial's as the epoch has batches; the last epoch has what is left."""
    ends = list(accumulate(-(-epoch.rows // trial.spec.batch_size) for epoch in trial.epochs or ()))
    begin = ends[number - 1] if number else 0
    end = ends[number] if number + 1 < len(ends) else None
    return {f"epoch_{name}": list((getattr(trial, name) or ())[begin:end]) for name in STEPS}


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _at(values: tuple[float, ...] | None, number: int) -> float | None:
    return values[number] if values and number < len(values) else None
