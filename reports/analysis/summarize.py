"""Records to a comparison: one row per loader and setting. Each metric has its interval and its raw samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord, TrialResult
from feedrate.bench.results.settings import settings_in_force
from feedrate.bench.results.spec import Mode
from feedrate.bench.results.stats import Estimate, Verdict, estimate
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.metrics import METRICS, Metric
from feedrate.reports.analysis.plausibility import refuse_implausible
from feedrate.reports.analysis.references import by_ranks, ceiling_share, scaling_by_mode, valid_baseline
from feedrate.reports.analysis.run_comparison import judge_samples, samples
from feedrate.reports.analysis.stall_split import StallSplit, split
from feedrate.reports.names import short


@dataclass(frozen=True, slots=True)
class Samples:
    """One value per trial, and their mean with its interval."""

    values: tuple[float, ...]
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Row:
    """A loader in one run at one batch size."""

    label: str
    loader: str
    run: str
    batch_size: int
    backend: str
    metrics: Mapping[str, Samples]
    """By the metric's name. A metric that was not measured is missing."""
    ceiling: Samples | None
    """rows/s of the model only, at this batch size in this run."""
    share: Samples | None
    """Training divided by replay: how much of what the model can take the loader delivers. See `ceiling_share`."""
    auc_by_epoch: tuple[float, ...]
    """Mean over the trials, for each epoch."""
    deviations: Mapping[str, str]
    not_ok: tuple[TrialResult, ...]
    trials: Mapping[Mode, tuple[TrialResult, ...]] = field(default_factory=dict)
    """The trials that are ok, by mode. Those of replay are the ones that the row is measured against."""
    flags: tuple[str, ...] = ()
    """The flags of its trials, each once."""
    stall: StallSplit | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    """All options of the adapter, with the values that were in force; empty in older records."""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """By metric, compared with `baseline`; empty for the baseline itself."""
    baseline: str | None = None
    """The run's baseline at this batch size, or the loader that replaces it. See `references.py`."""
    mode: Mode = "train"
    """train, or load if nothing was trained in this run at this batch size."""
    scaling: Mapping[Mode, Samples] = field(default_factory=dict)
    """By mode, its rate on N ranks over N times that on one rank, if the run measured both. See `references.py`."""

    @property
    def auc_differs(self) -> Verdict | None:
        """The AUC's difference to the baseline if seeds do not explain it, otherwise None."""
        verdict = self.verdicts.get("auc")
        return verdict if verdict and verdict.direction in ("more", "less") else None

    @property
    def ceiling_fraction(self) -> float | None:
        """Mean share of the ceiling."""
        return self.share.estimate.mean if self.share else None

    @property
    def headline(self) -> str:
        """Name of the metric by which loaders are ranked: training's rows/s, or the loader's own if nothing was trained."""
        return "train_rows_per_s" if self.mode == "train" else "load_rows_per_s"

    def mean(self, metric: str) -> float | None:
        """Return the metric's mean; None if it was not measured."""
        samples = self.metrics.get(metric)
        return samples.estimate.mean if samples else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What all rows of a comparison have in common: every figure names it."""

    cache: str
    """States of the page cache."""
    places: str
    """GPUs, or the cores of machines without one."""
    runs: int
    best_auc: float | None
    """The best AUC that any model could reach on the first run's labels, if it is known."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One or several runs, as rows."""

    runs: tuple[tuple[str, RunRecord], ...]
    """Each run with its short name. A run with several numbers of ranks counts as several, which have only those trials."""
    rows: tuple[Row, ...]
    """The fastest training first; loaders without a result last."""
    basis: Basis
    records: tuple[int, ...] = ()
    """For each run, the place of its record among those that were compared."""
    fixed: tuple[str, ...] = ()
    """For each run, why it cannot be continued, as "is compressed"; empty if it can."""

    @property
    def not_ok(self) -> tuple[TrialResult, ...]:
        """All trials that failed, are void or could not run."""
        return tuple(trial for _, run in self.runs for trial in run.trials if trial.status != "ok")

    @property
    def ceilings(self) -> Mapping[tuple[str, int], Samples]:
        """rows/s of the model only, by run and batch size, with or without a loader beside it."""
        sizes = {(name, trial.spec.batch_size) for name, run in self.runs for trial in run.trials}
        ceilings = {(name, size): _ceiling(dict(self.runs)[name].trials, size) for name, size in sorted(sizes)}
        return {key: samples for key, samples in ceilings.items() if samples}


def summarize(records: Sequence[tuple[Path, RunRecord]], commit: str | None = None) -> Comparison:
    """Compare records. commit: the one that feedrate runs from now. Default: not known.

    Raises FeedrateError if they have no trial, train more than one task, or hold a number that is impossible.
    """
    names = _names([path for path, _ in records])
    parts = [(place, part) for place, (_, record) in enumerate(records) for part in by_ranks(record)]
    runs = tuple((_name_of_part(names, place, part, parts), part) for place, part in parts)
    if not any(record.trials for _, record in runs):
        raise FeedrateError(
            f"{', '.join(str(path) for path, _ in records)} has no trials: `feedrate run ... --resume` continues it"
        )
    _refuse_several_tasks(runs)
    for path, record in records:
        refuse_implausible(path, record)
    settings = {(name, size) for name, run in runs for size in {trial.spec.batch_size for trial in run.trials}}
    rows = [
        replace(
            _row(name, run, [trial for trial in run.trials if trial.spec.batch_size == size], loader, size, settings),
            scaling={m: Samples(*share) for m, share in scaling_by_mode(records[place][1], run, loader, size).items()},
        )
        for (name, run), (place, _) in zip(runs, parts, strict=True)
        for size in sorted({trial.spec.batch_size for trial in run.trials})
        for loader in _loaders(run, size)
    ]
    basis, places = _basis([record for _, record in records]), tuple(place for place, _ in parts)
    fixed = tuple(store.why_not_continued(*records[place], commit) for place in places)
    return Comparison(runs, tuple(sorted(rows, key=_slowness)), basis, places, fixed)


def tasks_of(record: RunRecord) -> list[str]:
    """Return the tasks that a run's models were built for, sorted; empty if no trial had a model."""
    return sorted({trial.spec.model.task for trial in record.trials if trial.spec.mode != "load"})


def _refuse_several_tasks(runs: Sequence[tuple[str, RunRecord]]) -> None:
    """Raise FeedrateError if the runs have models of different tasks: neither their speeds nor their AUC belong in one table."""
    run_of = {task: name for name, run in runs for task in tasks_of(run)}
    if len(run_of) > 1:
        places = ", ".join(f"{task} in {short(name)}" for task, name in sorted(run_of.items()))
        raise FeedrateError(f"these trials have models of different tasks ({places}): report each task apart")


def _basis(records: Sequence[RunRecord]) -> Basis:
    places = {record.environment.gpu or f"{record.environment.cores} CPU cores" for record in records}
    return Basis(
        cache=" and ".join(sorted({trial.spec.cache for record in records for trial in record.trials})),
        places=" and ".join(sorted(places)),
        runs=len(records),
        best_auc=records[0].dataset.best_auc,
    )


def _row(
    run: str, record: RunRecord, trials: list[TrialResult], loader: str, size: int, settings: set[tuple[str, int]]
) -> Row:
    all_trials = [trial for trial in trials if trial.spec.loader == loader]
    ok = [trial for trial in all_trials if trial.status == "ok"]
    by_mode: dict[Mode, tuple[TrialResult, ...]] = {
        "load": _of_mode(ok, "load"),
        "train": _of_mode(ok, "train"),
        "replay": _of_mode([trial for trial in trials if trial.status == "ok"], "replay"),
    }
    modes = {trial.spec.mode for trial in trials}
    baseline = valid_baseline(record, size)
    share = ceiling_share(by_mode["train"], by_mode["replay"])
    curves = [trial.auc for trial in ok if trial.auc]
    epochs = list(zip(*curves, strict=False))
    return Row(
        label=_label(run, loader, size, settings),
        loader=loader,
        run=run,
        batch_size=size,
        backend=_backend(ok),
        metrics={
            metric.name: samples
            for metric in METRICS
            if (samples := _samples(_values(metric, by_mode[metric.mode_in(modes)]))) is not None
        },
        ceiling=_ceiling(trials, size),
        share=Samples(*share) if share else None,
        auc_by_epoch=tuple(sum(epoch) / len(epoch) for epoch in epochs),
        deviations=next((trial.deviations for trial in ok if trial.deviations), {}),
        not_ok=tuple(trial for trial in all_trials if trial.status != "ok"),
        trials=by_mode,
        flags=tuple(dict.fromkeys(flag for trial in ok for flag in trial.flags)),
        stall=split(by_mode["train"], by_mode["replay"], record.harness),
        options=settings_in_force(ok),
        verdicts={} if loader == baseline else _verdicts(trials, baseline, loader, size),
        baseline=baseline,
        mode="train" if "train" in modes else "load",
    )


def _verdicts(trials: Sequence[TrialResult], baseline: str | None, loader: str, size: int) -> dict[str, Verdict]:
    if baseline is None:
        return {}
    verdicts = {
        metric.name: judge_samples(
            metric, samples(trials, baseline, size, metric), samples(trials, loader, size, metric), paired=True
        )
        for metric in METRICS
        if not metric.once
    }
    return {name: verdict for name, verdict in verdicts.items() if verdict is not None}


def _ceiling(trials: Sequence[TrialResult], size: int) -> Samples | None:
    replays = [trial for trial in trials if trial.spec.mode == "replay" and trial.spec.batch_size == size]
    return _samples([trial.rows_per_s for trial in replays if trial.status == "ok"])


def _of_mode(trials: Sequence[TrialResult], mode: Mode) -> tuple[TrialResult, ...]:
    return tuple(trial for trial in trials if trial.spec.mode == mode)


def _values(metric: Metric, trials: Sequence[TrialResult]) -> list[float | None]:
    """The metric's value of each trial. If all trials share one measurement, it counts once."""
    values = [metric.of(trial) for trial in trials]
    return list(dict.fromkeys(values)) if metric.once else values


def _samples(values: list[float | None]) -> Samples | None:
    measured = tuple(value for value in values if value is not None)
    return Samples(measured, estimate(measured)) if measured else None


def _backend(ok: Sequence[TrialResult]) -> str:
    """The loader's library and device, and the compatibility repairs that its adapter made in other libraries."""
    trial = next((trial for trial in ok if trial.backend), None)
    if trial is None or not trial.backend:
        return ""
    repaired = f"; compatibility repairs: {', '.join(trial.repairs)}" if trial.repairs else ""
    return trial.backend + repaired


def _label(run: str, loader: str, size: int, settings: set[tuple[str, int]]) -> str:
    parts = [loader]
    if len({size for _, size in settings}) > 1:
        parts.append(f"batch {size}")
    if len({run for run, _ in settings}) > 1:
        parts.append(run)
    return ", ".join(parts)


def _loaders(run: RunRecord, size: int) -> list[str]:
    """The loaders that ran at this batch size, without the ceiling."""
    specs = [trial.spec for trial in run.trials if trial.spec.mode != "replay"]
    return list(dict.fromkeys(spec.loader for spec in specs if spec.batch_size == size))


def _names(paths: list[Path]) -> list[str]:
    """A short name for each run: its folder's, with a number if two are the same."""
    names = [
        path.parent.name if store.is_file_name(path) else path.name for path in (path.absolute() for path in paths)
    ]
    numbered = [name if names.count(name) == 1 else f"{name} {i + 1}" for i, name in enumerate(names)]
    return numbered if len(set(numbered)) == len(numbered) else [f"{i + 1}: {name}" for i, name in enumerate(names)]


def _name_of_part(names: Sequence[str], place: int, part: RunRecord, parts: Sequence[tuple[int, RunRecord]]) -> str:
    """Return the name of a record's part: with its ranks if there are other parts, and with the record's if there are others."""
    if sum(other == place for other, _ in parts) == 1:
        return names[place]
    ranks = part.trials[0].spec.ranks
    words = f"{ranks} rank{'s' * (ranks > 1)}"
    return words if len(names) == 1 else f"{names[place]}, {words}"


def _slowness(row: Row) -> tuple[bool, bool, float]:
    train, load = row.mean("train_rows_per_s"), row.mean("load_rows_per_s")
    return train is None, load is None, -(train or load or 0.0)
