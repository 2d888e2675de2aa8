"""Selects the trials that a site shows: the newest of each loader, setting and mode, and the replay to compare with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from feedrate.bench.results.record import RunRecord, TrialResult
from feedrate.reports.analysis import archive
from feedrate.reports.analysis.archive import Moment, Place
from feedrate.reports.names import short

Key = tuple[Place, str, int, str, str]
"""Place, settings, batch size, loader, mode."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The part of a run that one section of a page shows."""

    name: str
    """Name of the run's folder."""
    moment: Moment
    record: RunRecord
    """The run's record, with the chosen trials only."""


@dataclass(frozen=True, slots=True)
class Selection:
    """All trials that a site shows."""

    runs: int
    """Number of readable records."""
    sections: Mapping[tuple[Place, str], Sequence[Chosen]]
    """Parts of runs by place and settings, newest run first."""


def select(paths: Sequence[Path], warn: Callable[[str], None]) -> Selection:
    """Select the newest results among records.

    Records are read one at a time. Only the paths of the newest ones are kept, and those records are then read again.
    A broken record is skipped, and `warn` gets a sentence that names it.
    """
    newest: dict[Key, tuple[bool, Moment]] = {}
    n_records = 0
    for path, record in archive.read(paths, warn):
        n_records += 1
        moment = archive.moment(path, record)
        for trial in record.trials:
            if trial.spec.mode != "replay":
                key = _key(record, trial)
                newest[key] = max(newest.get(key, (False, moment)), (trial.status == "ok", moment))
    sections: dict[tuple[Place, str], list[Chosen]] = {}
    keep = {key: moment.path for key, (_, moment) in newest.items()}
    for path, record in archive.read(sorted({Path(name) for name in keep.values()}), warn):
        for section, chosen in _parts(path, record, keep):
            sections.setdefault(section, []).append(chosen)
    newest_first = {
        key: sorted(sections[key], key=lambda chosen: chosen.moment, reverse=True) for key in sorted(sections)
    }
    return Selection(n_records, newest_first)


def _key(record: RunRecord, trial: TrialResult) -> Key:
    spec = trial.spec
    return archive.place(record), archive.settings(spec), spec.batch_size, spec.loader, spec.mode


def _parts(path: Path, record: RunRecord, keep: Mapping[Key, str]) -> Iterator[tuple[tuple[Place, str], Chosen]]:
    place, moment = archive.place(record), archive.moment(path, record)
    chosen = [trial for trial in record.trials if keep.get(_key(record, trial)) == str(path)]
    for settings in sorted({archive.settings(trial.spec) for trial in chosen}):
        trials = [trial for trial in chosen if archive.settings(trial.spec) == settings]
        sizes = {trial.spec.batch_size for trial in trials}
        trials += [
            trial
            for trial in record.trials
            if trial.spec.mode == "replay"
            and trial.spec.batch_size in sizes
            and archive.settings(trial.spec) == settings
        ]
        shortened = tuple(replace(trial, spec=replace(trial.spec, loader=short(trial.spec.loader))) for trial in trials)
        baseline = short(record.baseline) if record.baseline else None
        part = replace(record, trials=shortened, baseline=baseline)
        yield (place, settings), Chosen(short(path.absolute().parent.name), moment, part)
