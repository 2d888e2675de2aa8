"""Every epoch of every trial as a table: for Parquet, and for `feedrate.reports.load`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from feedrate.bench.record import EpochRecord, RunRecord, TrialResult
from feedrate.reports.metrics import METRICS

SPEC = ("loader", "mode", "repeat", "seed", "batch_size", "device", "workers", "prefetch", "shuffle", "cache")
EPOCH = tuple(field.name for field in dataclasses.fields(EpochRecord))


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


def write_parquet(runs: Sequence[tuple[str, RunRecord]], file: Path) -> int:
    """All of it, steps included; how many lines that were."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file.parent.mkdir(parents=True, exist_ok=True)
    found = list(samples(runs, steps=True))
    pq.write_table(pa.Table.from_pylist(found), file)
    return len(found)


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
        "step": spec.model.step,
        "status": trial.status,
        "detail": trial.detail,
        **{metric.name: metric.of(trial) if metric.mode == spec.mode else None for metric in METRICS},
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
    """Every timed epoch has as many steps."""
    count = len(trial.epochs or ())
    found = {}
    for name in ("step_wait_s", "step_s"):
        whole = getattr(trial, name) or ()
        each = len(whole) // count if count else 0
        found[f"epoch_{name}"] = list(whole[number * each : (number + 1) * each])
    return found


def _at(values: tuple[float, ...] | None, number: int) -> float | None:
    return values[number] if values and number < len(values) else None
