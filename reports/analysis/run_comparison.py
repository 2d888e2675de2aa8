"""BASE against HEAD: every quantity that both have, with its change, its interval and a verdict; and gates on them for CI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord, TrialResult
from feedrate.bench.results.stats import Verdict, judge_difference, judge_ratio
from feedrate.loaders.errors import FeedrateError
from feedrate.reports import units
from feedrate.reports.analysis.metrics import METRICS, Metric
from feedrate.reports.analysis.plausibility import refuse_implausible
from feedrate.reports.analysis.provenance_diff import Kind, provenance_diff

EFFECTS = {
    "auc": 0.001,
    "stall_fraction": 0.01,
    "wait_fraction": 0.01,
    "shuffle_quality": 0.01,
    "gpu_busy_fraction": 0.02,
}
"""Quantities from 0 to 1 are compared by their difference; this much of it is too little to matter. All others by ratio."""
SampleKey = tuple[str | None, int, int]
"""When its `feedrate run` began, repeat, seed."""


@dataclass(frozen=True, slots=True)
class Side:
    """A run, or one loader of it."""

    name: str
    record: RunRecord
    loader: str | None


@dataclass(frozen=True, slots=True)
class Line:
    base: str
    head: str
    batch_size: int
    metric: Metric
    base_mean: float
    head_mean: float
    verdict: Verdict

    @property
    def relative(self) -> bool:
        return self.metric.name not in EFFECTS

    @property
    def change(self) -> float:
        """A fraction of the base, or a difference."""
        return self.verdict.change.mean - (1.0 if self.relative else 0.0)

    @property
    def word(self) -> str:
        direction = self.verdict.direction
        if direction in ("same", "inconclusive"):
            return direction
        if self.metric.unit == "rows/s":
            return "faster" if direction == "more" else "slower"
        return "higher" if direction == "more" else "lower"


def within(text: str) -> tuple[Side, Side]:
    """A run's baseline, and all its other loaders. Raises FeedrateError for a record that names none."""
    side = read_side(text)
    baseline = side.record.baseline
    if side.loader or baseline is None:
        raise FeedrateError(
            f"{text} alone has nothing to be compared with: name two runs, or two loaders as RUN@LOADER"
        )
    return Side(text, side.record, baseline), side


def read_side(text: str) -> Side:
    """`RUN`, or `RUN@LOADER` for one loader of it."""
    path, _, loader = text.partition("@")
    record = store.read(Path(path))
    refuse_implausible(Path(path), record)
    loaders = sorted({trial.spec.loader for trial in record.trials})
    if loader and loader not in loaders:
        raise FeedrateError(f"{path} has no loader {loader!r}: it has {', '.join(loaders)}")
    return Side(text, record, loader or None)


def compare_runs(base: Side, head: Side) -> list[Line]:
    """Raises FeedrateError where they must not be compared, or have nothing in common."""
    refuse_unlike(base.record, head.record)
    lines = [
        line
        for one, other in loader_pairs(base, head)
        for size in sorted(batch_sizes(base.record, one) & batch_sizes(head.record, other))
        for metric in METRICS
        if (line := _line(base.record, head.record, one, other, size, metric)) is not None
    ]
    if not lines:
        raise FeedrateError(
            f"{base.name} and {head.name} have no loader and measurement in common: name one as RUN@LOADER"
        )
    return lines


def refuse_unlike(base: RunRecord, head: RunRecord, *kinds: Kind) -> None:
    """Raises FeedrateError where the runs differ in the task, or in one of `kinds`."""
    differ = [str(one) for one in provenance_diff([base, head]) if one.kind in ("task", *kinds)]
    if differ:
        raise FeedrateError(f"these runs must not be compared, for they differ in {'; '.join(differ)}")


def judge_samples(
    metric: Metric, base: Mapping[SampleKey, float], head: Mapping[SampleKey, float], *, paired: bool
) -> Verdict | None:
    """None where a side has nothing. AUC is the same for each repeat of a seed, so its samples are seeds."""
    if metric.name == "auc":
        base, head = _by_seed(base), _by_seed(head)
    keys = [key for key in base if key in head] if paired else []
    paired = len(keys) >= 2
    one, other = (
        ([base[k] for k in keys], [head[k] for k in keys]) if paired else (list(base.values()), list(head.values()))
    )
    if not one or not other:
        return None
    if metric.name in EFFECTS:
        return judge_difference(other, one, paired=paired, effect=EFFECTS[metric.name])
    if min(*one, *other) <= 0:
        return None
    return judge_ratio(other, one, paired=paired)


def samples(trials: Sequence[TrialResult], loader: str, size: int, metric: Metric) -> dict[SampleKey, float]:
    """Values of trials that are ok."""
    return {
        (trial.run_at, trial.spec.repeat, trial.spec.seed): value
        for trial in trials
        if trial.status == "ok"
        and (trial.spec.loader, trial.spec.batch_size, trial.spec.mode) == (loader, size, metric.mode)
        and (value := metric.of(trial)) is not None
    }


def change_text(line: Line) -> str:
    """The change and its interval."""
    change = line.verdict.change
    same = 1.0 if line.relative else 0.0
    text = units.format_change if line.relative else (lambda value: f"{value:+.4f}")
    if change.low is None or change.high is None:
        return text(change.mean - same)
    return f"{text(change.mean - same)} ({text(change.low - same)} to {text(change.high - same)})"


def loader_pairs(base: Side, head: Side) -> list[tuple[str, str]]:
    """Each loader with itself in the other run; where one is named, with every other one, but not with itself in the same run."""
    ones, others = ([side.loader] if side.loader else _loaders(side.record) for side in (base, head))
    named = base.loader or head.loader
    return [
        (one, other)
        for one in ones
        for other in others
        if (one != other or base.record != head.record if named else one == other)
    ]


def _loaders(record: RunRecord) -> list[str]:
    return list(dict.fromkeys(trial.spec.loader for trial in record.trials if trial.spec.mode != "replay"))


def batch_sizes(record: RunRecord, loader: str) -> set[int]:
    return {trial.spec.batch_size for trial in record.trials if trial.spec.loader == loader}


def _line(base: RunRecord, head: RunRecord, one: str, other: str, size: int, metric: Metric) -> Line | None:
    first, second = samples(base.trials, one, size, metric), samples(head.trials, other, size, metric)
    # rounds of one run belong together; those of two runs only share their numbers
    paired = base == head
    if not first or not second:
        return None
    verdict = judge_samples(metric, first, second, paired=paired)
    if verdict is None:
        return None
    return Line(
        base=one,
        head=other,
        batch_size=size,
        metric=metric,
        base_mean=sum(first.values()) / len(first),
        head_mean=sum(second.values()) / len(second),
        verdict=verdict,
    )


def _by_seed(values: Mapping[SampleKey, float]) -> dict[SampleKey, float]:
    seeds: dict[int, list[float]] = {}
    for (_, _, seed), value in values.items():
        seeds.setdefault(seed, []).append(value)
    return {(None, 0, seed): sum(found) / len(found) for seed, found in seeds.items()}
