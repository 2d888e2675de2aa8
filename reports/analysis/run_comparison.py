"""Compares two runs, base and head. Each metric that both have gets a change, a confidence interval and a verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord, TrialResult
from feedrate.bench.results.spec import Mode
from feedrate.bench.results.stats import Verdict, judge_difference, judge_ratio
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.metrics import METRICS, Metric
from feedrate.reports.analysis.plausibility import refuse_implausible
from feedrate.reports.analysis.provenance_diff import Kind, provenance_diff
from feedrate.reports.analysis.references import by_ranks, valid_baseline

EFFECTS = {
    "auc": 0.001,
    "stall_fraction": 0.01,
    "wait_fraction": 0.01,
    "shuffle_quality": 0.01,
    "gpu_busy_fraction": 0.02,
}
"""Metrics from 0 to 1 and the smallest difference that matters. They are compared by difference, others by ratio."""
MIN_PAIRS = 3
"""Fewest rounds that are compared as pairs. AUC needs only two, because a seed fixes it."""
SampleKey = tuple[str | None, int, int]
"""Identifies a sample: start time of its `feedrate run`, repeat, seed."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: a run, or one loader of it."""

    name: str
    """RUN or RUN@LOADER, as the user wrote it."""
    record: RunRecord
    loader: str | None
    """None means all loaders of the run."""


@dataclass(frozen=True, slots=True)
class Line:
    """The comparison of one metric at one batch size."""

    base: str
    """Loader on the base side."""
    head: str
    """Loader on the head side."""
    batch_size: int
    metric: Metric
    base_mean: float
    """Mean over the base's trials, in the unit of the metric."""
    head_mean: float
    """Mean over the head's trials, in the unit of the metric."""
    verdict: Verdict

    @property
    def relative(self) -> bool:
        """Whether the change is a ratio. If not, it is a difference."""
        return self.metric.name not in EFFECTS

    @property
    def change(self) -> float:
        """Change as a fraction of the base, or as a difference."""
        return self.verdict.change.mean - (1.0 if self.relative else 0.0)


def within(text: str) -> tuple[Side, Side]:
    """Return a run's baseline, or what replaces it, as the base and all the run's loaders as the head.

    Raises FeedrateError if the record has no baseline or `text` names a loader.
    """
    side = read_side(text)
    sizes = sorted({trial.spec.batch_size for trial in side.record.trials})
    baseline = next((loader for size in sizes if (loader := valid_baseline(side.record, size))), None)
    if side.loader or baseline is None:
        raise FeedrateError(f"nothing to compare {text} with: name two runs, or two loaders as RUN@LOADER")
    return Side(text, side.record, baseline), side


def read_side(text: str) -> Side:
    """Read `RUN`, or `RUN@LOADER` for one loader of it.

    Raises FeedrateError if the record cannot be read, holds impossible numbers, or lacks the loader.
    """
    path, _, loader = text.partition("@")
    record = store.read(Path(path))
    refuse_implausible(Path(path), record)
    if len(by_ranks(record)) > 1:
        raise FeedrateError(
            f"{path} has trials of several numbers of ranks, which have no common verdict: see its report"
        )
    loaders = sorted({trial.spec.loader for trial in record.trials})
    if loader and loader not in loaders:
        raise FeedrateError(f"{path} has no loader {loader!r}, only {', '.join(loaders)}")
    return Side(text, record, loader or None)


def compare_runs(base: Side, head: Side) -> list[Line]:
    """Compare every metric that both sides measured, for each pair of loaders and each common batch size.

    Raises FeedrateError if the two must not be compared, or have nothing in common.
    """
    refuse_unlike(base.record, head.record)
    lines = [
        line
        for base_loader, head_loader in loader_pairs(base, head)
        for size in sorted(batch_sizes(base.record, base_loader) & batch_sizes(head.record, head_loader))
        for metric in METRICS
        if not metric.once
        if (line := _line(base.record, head.record, base_loader, head_loader, size, metric)) is not None
    ]
    if not lines:
        if base.record == head.record and len(_loaders(base.record)) == 1:
            run = base.name.partition("@")[0]
            raise FeedrateError(f"{run} has only one loader to compare: pass a second run or RUN@LOADER")
        raise FeedrateError(
            f"{base.name} and {head.name} have no loader and metric in common: name the loaders as RUN@LOADER"
        )
    return lines


def refuse_unlike(base: RunRecord, head: RunRecord, *kinds: Kind) -> None:
    """Raise FeedrateError if the runs differ in the task, or in one of `kinds`."""
    reasons = [str(diff) for diff in provenance_diff([base, head]) if diff.kind in ("task", *kinds)]
    if reasons:
        raise FeedrateError(f"these runs must not be compared, because they differ in: {'; '.join(reasons)}")


def judge_samples(
    metric: Metric, base: Mapping[SampleKey, float], head: Mapping[SampleKey, float], *, paired: bool
) -> Verdict | None:
    """Judge the change of a metric from base to head.

    paired: compare samples with the same key pairwise, if at least `MIN_PAIRS` keys are on both sides. Two pairs have one
    degree of freedom, so two samples of two say more, even though drift widens their interval.

    Returns None if a side has no samples, or if a ratio would need a sample that is not above 0. AUC is the same for
    every repeat of a seed, so each seed is one sample. Seeds are paired even across runs, because they fix weights and order.
    """
    if metric.name == "auc":
        base, head, paired = _by_seed(base), _by_seed(head), True
    keys = [key for key in base if key in head] if paired else []
    paired = len(keys) >= (2 if metric.name == "auc" else MIN_PAIRS)
    bases, heads = (
        ([base[k] for k in keys], [head[k] for k in keys]) if paired else (list(base.values()), list(head.values()))
    )
    if not bases or not heads:
        return None
    if metric.name in EFFECTS:
        return judge_difference(heads, bases, paired=paired, effect=EFFECTS[metric.name])
    if min(*bases, *heads) <= 0:
        return None
    return judge_ratio(heads, bases, paired=paired)


def samples(
    trials: Sequence[TrialResult], loader: str, size: int, metric: Metric, modes: Collection[Mode] | None = None
) -> dict[SampleKey, float]:
    """Return the metric's values from the trials of a loader and batch size whose status is ok.

    modes: modes that the metric may be taken from. Default: those of all the trials of this batch size.
    """
    mode = metric.mode_in(modes_of(trials, size) if modes is None else modes)
    return {
        (trial.run_at, trial.spec.repeat, trial.spec.seed): value
        for trial in trials
        if trial.status == "ok"
        and (trial.spec.loader, trial.spec.batch_size, trial.spec.mode) == (loader, size, mode)
        and (value := metric.of(trial)) is not None
    }


def modes_of(trials: Sequence[TrialResult], size: int) -> set[Mode]:
    """Return the modes that were run at a batch size, whatever their results."""
    return {trial.spec.mode for trial in trials if trial.spec.batch_size == size}


def loader_pairs(base: Side, head: Side) -> list[tuple[str, str]]:
    """Return the pairs of base loader and head loader to compare.

    Usually each loader is compared with itself in the other run. If a side names a loader, it is compared with every
    loader of the other side, but not with itself in the same run.
    """
    base_loaders, head_loaders = ([side.loader] if side.loader else _loaders(side.record) for side in (base, head))
    named = base.loader or head.loader
    return [
        (base_loader, head_loader)
        for base_loader in base_loaders
        for head_loader in head_loaders
        if (base_loader != head_loader or base.record != head.record if named else base_loader == head_loader)
    ]


def _loaders(record: RunRecord) -> list[str]:
    return list(dict.fromkeys(trial.spec.loader for trial in record.trials if trial.spec.mode != "replay"))


def batch_sizes(record: RunRecord, loader: str) -> set[int]:
    """Return the batch sizes at which a loader was run."""
    return {trial.spec.batch_size for trial in record.trials if trial.spec.loader == loader}


def line_samples(
    base: RunRecord, head: RunRecord, base_loader: str, head_loader: str, size: int, metric: Metric
) -> tuple[dict[SampleKey, float], dict[SampleKey, float]]:
    """Return the values of a metric that a line compares: those of the base, then those of the head."""
    modes = modes_of(base.trials, size) & modes_of(head.trials, size)
    return (
        samples(base.trials, base_loader, size, metric, modes),
        samples(head.trials, head_loader, size, metric, modes),
    )


def _line(
    base: RunRecord, head: RunRecord, base_loader: str, head_loader: str, size: int, metric: Metric
) -> Line | None:
    base_samples, head_samples = line_samples(base, head, base_loader, head_loader, size, metric)
    # Rounds of one run belong together. Rounds of two runs only share their numbers.
    paired = base == head
    if not base_samples or not head_samples:
        return None
    verdict = judge_samples(metric, base_samples, head_samples, paired=paired)
    if verdict is None:
        return None
    return Line(
        base=base_loader,
        head=head_loader,
        batch_size=size,
        metric=metric,
        base_mean=sum(base_samples.values()) / len(base_samples),
        head_mean=sum(head_samples.values()) / len(head_samples),
        verdict=verdict,
    )


def _by_seed(values: Mapping[SampleKey, float]) -> dict[SampleKey, float]:
    """Average the samples of each seed."""
    seeds: dict[int, list[float]] = {}
    for (_, _, seed), value in values.items():
        seeds.setdefault(seed, []).append(value)
    return {(None, 0, seed): sum(repeats) / len(repeats) for seed, repeats in seeds.items()}
