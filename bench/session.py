"""A run from its first trial to its last: what is there already, what remains, and each result on disk before the next."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from feedrate.bench import store
from feedrate.bench.child import Progress
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.environment import observe
from feedrate.bench.plan import Plan
from feedrate.bench.record import DatasetRecord, Environment, RunRecord
from feedrate.bench.spec import TrialSpec
from feedrate.bench.suite import remaining, run_suite
from feedrate.loaders.errors import FeedrateError


@dataclass(frozen=True, slots=True)
class Session:
    """A run about to start, or to go on."""

    output: Path
    dataset: Dataset
    record: RunRecord
    trials: tuple[TrialSpec, ...]
    """That remain."""
    planned: int
    """In all."""

    def run(self, *, timeout_s: float, progress: Callable[[TrialSpec], Progress]) -> Iterator[RunRecord]:
        """Yield the record after each trial, when it is on disk."""
        record = self.record
        store.write(self.output, record)
        logs = store.path_of(self.output).parent / "logs"
        for result in run_suite(self.trials, self.dataset.folder, timeout_s=timeout_s, logs=logs, progress=progress):
            record = store.append(self.output, record, result)
            yield record


def start(
    data: Path,
    output: Path,
    device: str,
    plan_for: Callable[[str], Plan],
    *,
    command: str,
    resume: bool,
    overwrite: bool,
) -> Session:
    """Raises FeedrateError where a run is in the way, or --resume would mix two that do not agree."""
    dataset = read_dataset(data)
    there = store.path_of(output).exists()
    if there and not (resume or overwrite):
        raise FeedrateError(
            f"{store.path_of(output)} exists: pass --resume to go on with it or --overwrite to replace it"
        )
    if resume and overwrite:
        raise FeedrateError("--resume goes on with a run and --overwrite replaces it: pass one of them")
    plan_for("cpu")  # refuse what is wrong before anything slow happens
    environment = replace(observe(), command=command)
    trials = list(plan_for(_device(device, environment)).trials())
    record = RunRecord(environment=environment, dataset=describe(dataset))
    if there and resume:
        old = store.read(output)
        _refuse_to_mix(output, old, record)
        _refuse_other_settings(output, old, trials)
        kept = tuple(trial for trial in old.trials if trial.status != "failed")
        record = replace(old, trials=kept)
    left = remaining(trials, record.trials)
    return Session(output, dataset, record, tuple(left), len(trials))


def _refuse_other_settings(output: Path, old: RunRecord, trials: list[TrialSpec]) -> None:
    """More loaders, modes, repeats, seeds or batch sizes may be added; all else must stay, or one row would mix two."""
    wanted = {_settings(spec) for spec in trials}
    if any(_settings(trial.spec) not in wanted for trial in old.trials):
        raise FeedrateError(
            f"{output} was begun with other settings (epochs, workers, model ...): choose another -o or pass --overwrite"
        )


def _settings(spec: TrialSpec) -> TrialSpec:
    return replace(spec, loader="", mode="load", repeat=0, seed=0, batch_size=1)


def describe(dataset: Dataset) -> DatasetRecord:
    info = dataset.info
    columns = (*info.schema.single_hot, *info.schema.multi_hot)
    return DatasetRecord(
        name=info.name,
        fingerprint=info.fingerprint,
        train_rows=info.splits["train"].rows,
        valid_rows=info.splits["valid"].rows,
        cardinalities={column.name: column.cardinality for column in columns},
        best_auc=info.best_auc,
    )


def _device(asked: str, environment: Environment) -> str:
    if asked == "auto":
        return "cuda" if environment.gpu else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", asked):
        raise FeedrateError(f"--device is {asked!r}, but must be auto, cpu, cuda or cuda:N")
    if asked != "cpu" and environment.gpu is None:
        raise FeedrateError(f"--device is {asked!r}, but torch sees no CUDA device here: `feedrate doctor` says more")
    return asked


def _refuse_to_mix(output: Path, old: RunRecord, new: RunRecord) -> None:
    """What must agree before trials may stand in one record."""
    pairs = {
        "dataset": (old.dataset.fingerprint[:12], new.dataset.fingerprint[:12]),
        "GPU": (old.environment.gpu, new.environment.gpu),
        "CPU": (old.environment.cpu, new.environment.cpu),
        "packages": (old.environment.packages, new.environment.packages),
        "python": (old.environment.python, new.environment.python),
        "driver": (old.environment.driver, new.environment.driver),
        "commit": (old.environment.commit, new.environment.commit),
    }
    differ = [f"{name} ({a} then, {b} now)" for name, (a, b) in pairs.items() if a != b]
    if differ:
        raise FeedrateError(
            f"{output} was begun under other conditions: {'; '.join(differ)}: choose another -o or pass --overwrite"
        )
