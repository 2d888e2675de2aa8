"""Which trials a site shows: of each loader, setting and mode the newest run's, with the replay they are measured against."""

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
    """A run's part in one section of a page."""

    name: str
    """Of the run's folder."""
    moment: Moment
    record: RunRecord
    """With the chosen trials only."""


@dataclass(frozen=True, slots=True)
class Selection:
    runs: int
    """Readable records found."""
    sections: Mapping[tuple[Place, str], Sequence[Chosen]]
    """By place and settings; runs newest first."""


def select(paths: Sequence[Path], warn: Callable[[str], None]) -> Selection:
    """Reads all records one at a time, keeps only which is newest, and reads those again."""
    newest: dict[Key, tuple[bool, Moment]] = {}
    whole = 0
    for path, record in archive.read(paths, warn):
        whole += 1
        when = archive.moment(path, record)
        for trial in record.trials:
            if trial.spec.mode != "replay":
                key = _key(record, trial)
                newest[key] = max(newest.get(key, (False, when)), (trial.status == "ok", when))
    sections: dict[tuple[Place, str], list[Chosen]] = {}
    keep = {key: when.path for key, (_, when) in newest.items()}
    for path, record in archive.read(sorted({Path(name) for name in keep.values()}), warn):
        for section, chosen in _parts(path, record, keep):
            sections.setdefault(section, []).append(chosen)
    return Selection(
        whole, {key: sorted(sections[key], key=lambda c: c.moment, reverse=True) for key in sorted(sections)}
    )


def _key(record: RunRecord, trial: TrialResult) -> Key:
    spec = trial.spec
    return archive.place(record), archive.settings(spec), spec.batch_size, spec.loader, spec.mode


def _parts(path: Path, record: RunRecord, keep: Mapping[Key, str]) -> Iterator[tuple[tuple[Place, str], Chosen]]:
    where, when = archive.place(record), archive.moment(path, record)
    chosen = [trial for trial in record.trials if keep.get(_key(record, trial)) == str(path)]
    for words in sorted({archive.settings(trial.spec) for trial in chosen}):
        own = [trial for trial in chosen if archive.settings(trial.spec) == words]
        sizes = {trial.spec.batch_size for trial in own}
        own += [
            trial
            for trial in record.trials
            if trial.spec.mode == "replay" and trial.spec.batch_size in sizes and archive.settings(trial.spec) == words
        ]
        named = tuple(replace(trial, spec=replace(trial.spec, loader=short(trial.spec.loader))) for trial in own)
        baseline = short(record.baseline) if record.baseline else None
        part = replace(record, trials=named, baseline=baseline)
        yield (where, words), Chosen(short(path.absolute().parent.name), when, part)
