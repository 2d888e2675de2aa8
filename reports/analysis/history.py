"""Many runs to trends: each loader's metrics over time, with the runs at which they changed for good. Draws nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from statistics import fmean

from feedrate.bench.results.record import RunRecord
from feedrate.bench.results.stats import SMALLEST_EFFECT, Estimate, estimate
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis import archive
from feedrate.reports.analysis.archive import Moment, Place
from feedrate.reports.analysis.changes import change_points
from feedrate.reports.analysis.metrics import METRICS, Metric
from feedrate.reports.analysis.run_comparison import EFFECTS
from feedrate.reports.names import plain, short

MEASURED = tuple(metric for metric in METRICS if metric.in_table)
MIN_VALUE = 1e-30
"""Where logarithms are taken: at or below it nothing was measured."""


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """What trials must agree in, beside the place, to stand in one series."""

    place: Place
    settings: str
    batch_size: int
    cache: str

    @property
    def title(self) -> str:
        return f"{self.place.title}: batch {self.batch_size}, {self.settings}"


@dataclass(frozen=True, slots=True)
class Point:
    moment: Moment
    estimate: Estimate
    """Over the run's trials."""
    versions: Mapping[str, str]
    """Of packages, driver and feedrate, and the loader's own words: what may be why a number changed."""

    @property
    def value(self) -> float:
        return self.estimate.mean

    @property
    def n(self) -> int:
        return self.estimate.n


@dataclass(frozen=True, slots=True)
class Change:
    at: int
    """Position in the series of the first run of the new level."""
    before: float
    after: float
    """Means of the two levels: geometric where the change is a ratio."""
    size: float
    """A fraction of the old level; for metrics of versus.EFFECTS a difference."""
    since: tuple[str, ...]
    """What else is not as it was in the run before."""


@dataclass(frozen=True, slots=True)
class Series:
    setting: Setting
    loader: str
    metric: Metric
    points: tuple[Point, ...]
    """By time."""
    changes: tuple[Change, ...]

    @property
    def relative(self) -> bool:
        return self.metric.name not in EFFECTS


@dataclass(frozen=True, slots=True)
class History:
    runs: int
    trials: int
    series: tuple[Series, ...]
    """By setting; changed ones first, then by metric and loader."""

    @property
    def by_setting(self) -> dict[Setting, list[Series]]:
        found: dict[Setting, list[Series]] = {}
        for series in self.series:
            found.setdefault(series.setting, []).append(series)
        return found


Key = tuple[Setting, int, str]
"""Setting, the metric's place in METRICS, loader."""


def history(folder: Path, warn: Callable[[str], None]) -> History:
    """Raises FeedrateError where there is no record, or none that can be read."""
    points: dict[Key, list[Point]] = defaultdict(list)
    runs = trials = 0
    for path, record in archive.read(archive.find(folder), warn):
        runs, trials = runs + 1, trials + len(record.trials)
        for key, point in points_of(path, record):
            points[key].append(point)
    if not runs:
        raise FeedrateError(f"{plain(str(folder))} has no record that can be read")
    return History(runs, trials, tuple(_ordered(points)))


def points_of(path: Path, record: RunRecord) -> Iterator[tuple[Key, Point]]:
    """One for each series that a run adds to."""
    where, when = archive.place(record), archive.moment(path, record)
    values: dict[Key, list[float]] = defaultdict(list)
    versions: dict[str, dict[str, str]] = {}
    for trial in record.trials:
        if trial.status != "ok" or trial.spec.mode == "replay":
            continue
        setting = Setting(where, archive.settings(trial.spec), trial.spec.batch_size, trial.spec.cache)
        loader = short(trial.spec.loader)
        versions[loader] = _versions(record, trial.packages, trial.backend)
        for number, metric in enumerate(MEASURED):
            value = metric.of(trial) if metric.mode == trial.spec.mode else None
            if value is not None:
                values[setting, number, loader].append(value)
    for key, measured in values.items():
        yield key, Point(when, estimate(measured), versions[key[2]])


def _versions(record: RunRecord, packages: Mapping[str, str] | None, backend: str | None) -> dict[str, str]:
    env = record.environment
    own = {"feedrate": env.feedrate, "driver": env.driver or "", "Python": env.python, "backend": backend or ""}
    return {**own, **env.packages, **(packages or {})}


def _ordered(points: Mapping[Key, list[Point]]) -> list[Series]:
    every = [_series(key, points[key]) for key in sorted(points)]
    return sorted(every, key=lambda series: (series.setting, not series.changes))


def _series(key: Key, points: list[Point]) -> Series:
    setting, number, loader = key
    metric = MEASURED[number]
    ordered = sorted(points, key=lambda point: point.moment)
    relative = metric.name not in EFFECTS
    values = [log(max(point.value, MIN_VALUE)) if relative else point.value for point in ordered]
    found = change_points(values, log(1 + SMALLEST_EFFECT) if relative else EFFECTS[metric.name])
    return Series(setting, loader, metric, tuple(ordered), tuple(_changes(ordered, values, found, relative)))


def _changes(points: Sequence[Point], values: Sequence[float], found: list[int], relative: bool) -> Iterator[Change]:
    edges = [0, *found, len(values)]
    for start, at, end in zip(edges, edges[1:], edges[2:], strict=False):
        before, after = fmean(values[start:at]), fmean(values[at:end])
        since = tuple(_differences(points[at - 1].versions, points[at].versions))
        if relative:
            yield Change(at, exp(before), exp(after), exp(after - before) - 1, since)
        else:
            yield Change(at, before, after, after - before, since)


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        one, other = old.get(name) or "none", new.get(name) or "none"
        if one != other:
            yield f"{short(name)} {short(one)} to {short(other)}"
