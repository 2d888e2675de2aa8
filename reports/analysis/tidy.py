"""Every epoch of every trial as a table: for Parquet, and for `feedrate.reports.load`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from feedrate.bench.results.record import EpochRecord, RunRecord, TrialResult
from feedrate.bench.results.spec import ModelSpec, TrialSpec
from feedrate.reports.analysis.metrics import METRICS

if TYPE_CHECKING:
    import pyarrow as pa

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


def write_parquet(runs: Sequence[tuple[str, RunRecord]], file: Path) -> int:
    """All of it, steps included; how many lines that were."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file.parent.mkdir(parents=True, exist_ok=True)
    found = list(samples(runs, steps=True))
    pq.write_table(pa.Table.from_pylist(found, schema=schema(found[0])), file)
    return len(found)


def schema(names: Iterable[str]) -> pa.Schema:
    """Of a file with these columns, whatever is in them."""
    import pyarrow as pa

    kinds = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}

    def of(values: type, names: Sequence[str], prefix: str = "") -> Iterator[pa.Field]:
        for name, hint in get_type_hints(values).items():
            if name in names:
                said = [kind for kind in get_args(hint) if kind is not type(None)] or [hint]
                kind = kinds.get(said[0], pa.string())  # a Literal is text
                yield pa.field(f"{prefix}{name}", pa.list_(pa.int64()) if get_origin(hint) is tuple else kind)

    texts = ("run", "commit", "started_at", "gpu", "cpu", "dataset", "status", "detail")
    numbers = (*(metric.name for metric in METRICS), "epoch_rows_per_s", "epoch_auc", "epoch_loss", "epoch_train_loss")
    fields = {
        **{name: pa.field(name, pa.string()) for name in texts},
        **{name: pa.field(name, pa.int64()) for name in ("cores", "epoch")},
        "steady": pa.field("steady", pa.bool_()),
        **{field.name: field for field in of(TrialSpec, SPEC)},
        **{field.name: field for field in of(ModelSpec, MODEL, "model_")},
        **{name: pa.field(name, pa.float64()) for name in numbers},
        **{field.name: field for field in of(EpochRecord, EPOCH, "epoch_")},
        **{f"epoch_{name}": pa.field(f"epoch_{name}", pa.list_(pa.float64())) for name in STEPS},
    }
    return pa.schema([fields[name] for name in names])


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
