"""A run from its first trial to its last. Existing trials are kept, and each result is on disk before the next trial."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from feedrate.bench.calibration.harness_cost import measure
from feedrate.bench.consumer.models.task_columns import require_columns
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.results import store
from feedrate.bench.results.messages import Progress
from feedrate.bench.results.record import SCHEMA_VERSION, DatasetRecord, Environment, RunRecord, TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.loader_lookup import reads_stores
from feedrate.bench.run.plan import Plan
from feedrate.bench.run.preparations import Preparations
from feedrate.bench.run.ranks.launch import Launcher, launch
from feedrate.bench.run.stopping import StopRule
from feedrate.bench.run.suite import remaining, run_suite
from feedrate.loaders.errors import FeedrateError, require_no_file
from feedrate.loaders.stores.store_path import StorePath


@dataclass(frozen=True, slots=True)
class Session:
    """A run that is about to start or to be continued."""

    output: Path
    dataset: Dataset
    record: RunRecord
    plan: Plan
    run_at: str
    """When this session began, UTC, ISO 8601."""
    launcher: Launcher = launch
    """How to start each trial."""

    @property
    def planned(self) -> int | None:
        """Trials in all; None if the stopping rule decides."""
        rounds = self.plan.rounds
        return None if rounds is None else rounds * len(self.plan.round(0))

    def run(
        self, rule: StopRule, *, timeout_s: float, progress: Callable[[TrialSpec], Progress]
    ) -> Iterator[RunRecord]:
        """Run round after round until the rule has seen enough. Yield the record after each trial, once it is on disk."""
        record = self.record
        store.write(self.output, record)
        logs = store.path_of(self.output).parent / "logs"
        preparations = Preparations(self.dataset.folder, timeout_s=timeout_s, progress=progress)
        results = Results(record.trials)
        for number in itertools.count():
            specs = self.plan.round(number)
            if self.plan.rounds is None:  # a loader that failed once would only cost the others their time
                specs = [spec for spec in specs if spec.repeat_of not in results.failing]
            left = remaining(specs, results.of(specs))
            for result in run_suite(
                left,
                self.dataset.folder,
                timeout_s=timeout_s,
                logs=logs,
                progress=progress,
                preparations=preparations,
                launcher=self.launcher,
            ):
                result = replace(result, run_at=self.run_at)
                record = store.append(self.output, record, result)
                results.add(result)
                yield record
            rule.add(results.of(specs))
            if rule.finished:
                break
        record = replace(record, stopped=rule.finished)
        store.write(self.output, record)
        yield record


class Results:
    """The results so far by their spec, so that no round searches a long record."""

    def __init__(self, trials: Iterable[TrialResult]) -> None:
        self.failing: set[tuple[str, str, int, int]] = set()
        """Loader, mode, batch size and ranks of the trials that are not ok."""
        self._by_spec: dict[TrialSpec, list[TrialResult]] = defaultdict(list)
        for trial in trials:
            self.add(trial)

    def add(self, trial: TrialResult) -> None:
        """Take one more result."""
        self._by_spec[trial.spec].append(trial)
        if trial.status != "ok":
            self.failing.add(trial.spec.repeat_of)

    def of(self, specs: Iterable[TrialSpec]) -> list[TrialResult]:
        """Return the results of these specs."""
        return [trial for spec in specs for trial in self._by_spec.get(spec, ())]


def start(data: Path, output: Path, plan: Plan, environment: Environment, *, resume: bool, overwrite: bool) -> Session:
    """Prepare a new run, or read the one that --resume continues.

    Raises FeedrateError if the dataset lacks what the task needs, if the output folder already has a run, or if --resume
    would mix two runs that differ.
    """
    dataset = read_dataset(data)
    _refuse_store(data, plan)
    if plan.modes != ("load",):
        require_columns(dataset.info.schema, plan.model)
    target = store.path_to_write(output)
    require_no_file("-o", target.parent)
    exists = target.exists()
    if exists and not (resume or overwrite):
        raise FeedrateError(f"{target} exists: pass --resume to continue it or --overwrite to replace it")
    if resume and overwrite:
        raise FeedrateError("--resume and --overwrite exclude each other: pass only one")
    record = RunRecord(
        environment=environment, dataset=describe(dataset), harness=measure(plan.device), baseline=plan.compared_to
    )
    if exists and resume:
        record = _resumed(output, record, plan)
    return Session(output, dataset, record, plan, environment.started_at)


def _refuse_store(data: Path, plan: Plan) -> None:
    """Raise FeedrateError for a loader that cannot read from an object store if the dataset is in one."""
    if not isinstance(data, StorePath):
        return
    for loader in plan.loaders:
        if not reads_stores(loader):
            raise FeedrateError(
                f"{loader} cannot read from an object store, and {data} is in one: copy the dataset to a local folder, "
                f"prepare it again there, or leave {loader} out"
            )
    if plan.cache == "cold":
        raise FeedrateError(
            f"--cache is cold, but no page cache holds {data}, which is in an object store: leave it out"
        )


def _resumed(output: Path, new: RunRecord, plan: Plan) -> RunRecord:
    """The old record without its failed trials. Raises FeedrateError if the new trials do not belong with the old ones."""
    old = store.read(output)
    if old.schema_version != SCHEMA_VERSION:
        raise FeedrateError(
            f"{output} has record version {old.schema_version}, which cannot be resumed because its timing differs: "
            "choose another -o"
        )
    _refuse_to_mix(output, old, new)
    _refuse_other_settings(output, old, plan)
    kept = tuple(trial for trial in old.trials if trial.status not in store.TRIED_AGAIN)
    return replace(old, trials=kept, baseline=plan.compared_to, stopped="")


def _refuse_other_settings(output: Path, old: RunRecord, plan: Plan) -> None:
    """Loaders, modes, repeats, seeds, batch sizes and numbers of ranks may be added. Everything else must stay, or one row would mix two settings."""
    planned = {_settings(spec) for spec in plan.round(0)}
    if any(_settings(trial.spec) not in planned for trial in old.trials):
        raise FeedrateError(
            f"{output} was started with other settings (epochs, workers, model ...): choose another -o or pass --overwrite"
        )


def _settings(spec: TrialSpec) -> TrialSpec:
    return replace(spec, loader="", mode="load", repeat=0, seed=0, batch_size=1, ranks=1)


def describe(dataset: Dataset) -> DatasetRecord:
    """The part of dataset.json that a run's record keeps."""
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


def _refuse_to_mix(output: Path, old: RunRecord, new: RunRecord) -> None:
    """Raise FeedrateError if the conditions of two sessions differ, so that their trials may not stand in one record."""
    conditions = {
        "dataset": (old.dataset.fingerprint[:12], new.dataset.fingerprint[:12]),
        "GPU": (old.environment.gpu, new.environment.gpu),
        "CPU": (old.environment.cpu, new.environment.cpu),
        "packages": (old.environment.packages, new.environment.packages),
        "python": (old.environment.python, new.environment.python),
        "driver": (old.environment.driver, new.environment.driver),
        "commit": (old.environment.commit, new.environment.commit),
    }
    differ = [f"{name} (then {then}, now {now})" for name, (then, now) in conditions.items() if then != now]
    if differ:
        raise FeedrateError(
            f"{output} was started under other conditions: {'; '.join(differ)}: choose another -o or pass --overwrite"
        )
