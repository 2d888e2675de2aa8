"""Turns many runs into trends: each loader's metrics over time, and the runs at which they changed for good.

This module draws nothing.
"""

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

MEASURED = tuple(metric for metric in METRICS if metric.in_table and not metric.once)
"""Metrics that the history follows."""
MIN_VALUE = 1e-30
"""Smallest value whose logarithm is taken. A value at or below it means that nothing was measured."""


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """What trials must agree in to belong to one series."""

    place: Place
    settings: str
    """Settings in words, as `archive.settings` gives them."""
    batch_size: int
    """Rows per batch."""
    cache: str
    """State of the page cache: warm or cold."""

    @property
    def title(self) -> str:
        """Place, batch size and settings, as a heading."""
        return f"{self.place.title}: batch {self.batch_size}, {self.settings}"


@dataclass(frozen=True, slots=True)
class Point:
    """One run's value of a metric for one loader."""

    moment: Moment
    estimate: Estimate
    """Mean over the run's trials, with its confidence interval."""
    versions: Mapping[str, str]
    """Versions of packages, driver, Python and feedrate, and the loader's backend. They may explain a change."""

    @property
    def value(self) -> float:
        """Mean over the run's trials, in the unit of the metric."""
        return self.estimate.mean

    @property
    def n(self) -> int:
        """Number of trials in the mean."""
        return self.estimate.n


@dataclass(frozen=True, slots=True)
class Change:
    """A step from one level of a series to the next."""

    at: int
    """Position in the series of the first run of the new level."""
    before: float
    """Mean of the old level. It is a geometric mean if the change is a ratio."""
    after: float
    """Mean of the new level, taken in the same way."""
    size: float
    """Change as a fraction of the old level. For metrics in `run_comparison.EFFECTS` it is a difference."""
    since: tuple[str, ...]
    """Versions that differ from the run before, in words."""


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one loader in one setting, over all runs."""

    setting: Setting
    loader: str
    metric: Metric
    points: tuple[Point, ...]
    """Oldest first."""
    changes: tuple[Change, ...]
    """Oldest first."""

    @property
    def relative(self) -> bool:
        """Whether changes are ratios. If not, they are differences."""
        return self.metric.name not in EFFECTS


@dataclass(frozen=True, slots=True)
class History:
    """All series of a folder of runs."""

    runs: int
    """Number of readable records."""
    trials: int
    """Number of trials in them, whatever their status."""
    series: tuple[Series, ...]
    """Sorted by setting. Within a setting, series with changes come first, then by metric and loader."""

    @property
    def by_setting(self) -> dict[Setting, list[Series]]:
        """The series of each setting, in the same order."""
        groups: dict[Setting, list[Series]] = {}
        for series in self.series:
            groups.setdefault(series.setting, []).append(series)
        return groups


Key = tuple[Setting, int, str]
"""Setting, position of the metric in `MEASURED`, loader."""


def history(folder: Path, warn: Callable[[str], None]) -> History:
    """Read all records under a folder and find the changes in each series.

    A broken record is skipped, and `warn` gets a sentence that names it. Raises FeedrateError if no record can be read.
    """
    points: dict[Key, list[Point]] = defaultdict(list)
    runs = trials = 0
    for path, record in archive.read(archive.find(folder), warn):
        runs, trials = runs + 1, trials + len(record.trials)
        for key, point in points_of(path, record):
            points[key].append(point)
    if not runs:
        raise FeedrateError(
            f"{plain(str(folder))} contains no readable record: run `feedrate validate` to see what is wrong"
        )
    return History(runs, trials, tuple(_ordered(points)))


def points_of(path: Path, record: RunRecord) -> Iterator[tuple[Key, Point]]:
    """Yield one point for each series that a run adds to."""
    place, moment = archive.place(record), archive.moment(path, record)
    values: dict[Key, list[float]] = defaultdict(list)
    versions: dict[str, dict[str, str]] = {}
    modes = {trial.spec.mode for trial in record.trials}
    for trial in record.trials:
        if trial.status != "ok" or trial.spec.mode == "replay":
            continue
        setting = Setting(place, archive.settings(trial.spec), trial.spec.batch_size, trial.spec.cache)
        loader = short(trial.spec.loader)
        versions[loader] = _versions(record, trial.packages, trial.backend)
        for number, metric in enumerate(MEASURED):
            value = metric.of(trial) if metric.mode_in(modes) == trial.spec.mode else None
            if value is not None:
                values[setting, number, loader].append(value)
    for key, samples in values.items():
        yield key, Point(moment, estimate(samples), versions[key[2]])


def _versions(record: RunRecord, packages: Mapping[str, str] | None, backend: str | None) -> dict[str, str]:
    env = record.environment
    versions = {"feedrate": env.feedrate, "driver": env.driver or "", "Python": env.python, "backend": backend or ""}
    return {**versions, **env.packages, **(packages or {})}


def _ordered(points: Mapping[Key, list[Point]]) -> list[Series]:
    all_series = [_series(key, points[key]) for key in sorted(points)]
    return sorted(all_series, key=lambda series: (series.setting, not series.changes))


def _series(key: Key, points: list[Point]) -> Series:
    setting, number, loader = key
    metric = MEASURED[number]
    ordered = sorted(points, key=lambda point: point.moment)
    relative = metric.name not in EFFECTS
    values = [log(max(point.value, MIN_VALUE)) if relative else point.value for point in ordered]
    positions = change_points(values, log(1 + SMALLEST_EFFECT) if relative else EFFECTS[metric.name])
    return Series(setting, loader, metric, tuple(ordered), tuple(_changes(ordered, values, positions, relative)))


def _changes(
    points: Sequence[Point], values: Sequence[float], positions: list[int], relative: bool
) -> Iterator[Change]:
    edges = [0, *positions, len(values)]
    for start, at, end in zip(edges, edges[1:], edges[2:], strict=False):
        before, after = fmean(values[start:at]), fmean(values[at:end])
        since = tuple(_version_changes(points[at - 1].versions, points[at].versions))
        if relative:
            yield Change(at, exp(before), exp(after), exp(after - before) - 1, since)
        else:
            yield Change(at, before, after, after - before, since)


def _version_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        before, after = old.get(name) or "none", new.get(name) or "none"
        if before != after:
            yield f"{short(name)} {short(before)} to {short(after)}"
