"""A comparison as tidy rows. CSV, JSON, Parquet and pandas are written from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Literal

from feedrate.bench.results.parts.steps import steps_of
from feedrate.bench.results.record import EpochRecord, RunRecord, TrialResult
from feedrate.bench.results.spec import ModelSpec, TrialSpec
from feedrate.reports.analysis.metrics import METRICS
from feedrate.reports.analysis.summarize import Comparison, Row

_FIRST = (
    "loader", "mode", "repeat", "seed", "batch_size", "epochs", "device", "workers", "prefetch", "shuffle",
    "memory_budget_bytes", "cache",
)  # fmt: skip
SPEC = (*_FIRST, *(field.name for field in dataclasses.fields(TrialSpec) if field.name not in (*_FIRST, "model")))
"""A trial's settings in the order of the columns. Newer settings follow."""
MODEL = tuple(field.name for field in dataclasses.fields(ModelSpec))
EPOCH = tuple(field.name for field in dataclasses.fields(EpochRecord))
STEPS = ("step_wait_s", "step_s")
_SHARED = (
    "run", "loader", "batch_size", "backend", "ceiling_rows_per_s", "ceiling_fraction", "ceiling_fraction_low",
    "ceiling_fraction_high",
)  # fmt: skip
N_SHARED = len(_SHARED)
"""Leading columns of `LOADER_COLUMNS` that belong to no metric."""
LOADER_COLUMNS = (
    *_SHARED,
    *(f"{metric.name}{part}" for metric in METRICS for part in ("", "_low", "_high", "_n")),
)  # fmt: skip
Grain = Literal["loader", "epoch", "step"]


def tidy_rows(comparison: Comparison, grain: Grain) -> Iterator[dict[str, Any]]:
    """Yield dictionaries that all have the same keys in the same order.

    grain: "loader": one row per loader and batch size, each metric with mean, low, high and n. "epoch": one row per epoch of
    each trial. "step": the same with the waits and durations of the epoch's steps, as lists.
    """
    if grain == "loader":
        return loader_rows(comparison.rows)
    return epoch_rows(comparison.runs, steps=grain == "step")


def loader_rows(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield a dictionary for each row of a comparison. Values are in SI units, and None if they were not measured."""
    for row in rows:
        ceiling = row.ceiling.estimate.mean if row.ceiling else None
        share = row.share.estimate if row.share else None
        values: list[Any] = [row.run, row.loader, row.batch_size, row.backend, ceiling]
        values += [share.mean, share.low, share.high] if share else [None] * 3
        for metric in METRICS:
            samples = row.metrics.get(metric.name)
            estimate = samples.estimate if samples else None
            values += [estimate.mean, estimate.low, estimate.high, estimate.n] if estimate else [None] * 4
        yield dict(zip(LOADER_COLUMNS, values, strict=True))


def epoch_rows(runs: Sequence[tuple[str, RunRecord]], *, steps: bool = False) -> Iterator[dict[str, Any]]:
    """Yield a dictionary for each epoch of each trial. A trial without an epoch has one, whose epoch is None.

    steps: add the waits and durations of the epoch's steps, as lists of seconds.
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
        **{metric.name: _float(metric.of(trial)) if spec.mode in metric.modes else None for metric in METRICS},
    }


def _of_epoch(trial: TrialResult, number: int) -> dict[str, Any]:
    epochs = trial.epochs or ()
    epoch = epochs[number] if number < len(epochs) else None
    return {
        "epoch": number + 1 if epoch else None,
        "steady": number >= trial.first_epochs if epoch else None,
        **{f"epoch_{field}": getattr(epoch, field, None) for field in EPOCH},
        "epoch_rows_per_s": epoch.rows / epoch.wall_s if epoch and epoch.wall_s else None,
        "epoch_auc": _at(trial.auc, number),
        "epoch_loss": _at(trial.loss, number),
        "epoch_train_loss": _at(trial.train_loss, number),
    }


def _steps(trial: TrialResult, number: int) -> dict[str, Any]:
    """As many steps as the epoch has batches; the last epoch has the rest."""
    ends = list(accumulate(steps_of(trial)))
    begin = ends[number - 1] if number else 0
    end = ends[number] if number + 1 < len(ends) else None
    return {f"epoch_{name}": list((getattr(trial, name) or ())[begin:end]) for name in STEPS}


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _at(values: tuple[float, ...] | None, number: int) -> float | None:
    return values[number] if values and number < len(values) else None
