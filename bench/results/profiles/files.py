"""Profiles on disk, beside the run that they explain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from feedrate.bench.results import compressed, store
from feedrate.bench.results.profiles.explained import Explained, explain
from feedrate.bench.results.profiles.record import Profile
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.loaders.errors import FeedrateError

FILE = "profile.json"


def write(folder: Path, made: Profile) -> None:
    """At once or not at all."""
    part = folder / f"{FILE}.part"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1))
    part.replace(folder / FILE)


def read(path: Path) -> Profile:
    """path: the file, gzipped or not, or its folder. Raises FeedrateError."""
    file = compressed.either(path, FILE) if path.is_dir() else path
    try:
        return msgspec.json.decode(compressed.read_bytes(file), type=Profile)
    except FileNotFoundError as error:
        raise FeedrateError(f"there is no {file}: `feedrate profile LOADER DATA -o DIR` makes one") from error
    except (msgspec.DecodeError, UnicodeDecodeError, FeedrateError) as error:
        raise FeedrateError(f"{file} is not a profile: {error}") from error


def find(folder: Path) -> list[Profile]:
    """Every profile of a run's folder, by name."""
    return [read(path) for path in compressed.find(folder, FILE)]


def explained(run_or_profile: Path) -> Iterator[Explained]:
    """Raises FeedrateError where there is no profile."""
    folder = run_or_profile if run_or_profile.is_dir() else run_or_profile.parent
    found = find(folder) if run_or_profile.is_dir() else [read(run_or_profile)]
    trials = trials_of(folder) if found else []
    for made in found:
        yield explain(made, trial_for(made, trials))


def trials_of(folder: Path) -> list[TrialResult]:
    """Training trials that are ok, where the folder holds a run, too."""
    if not store.path_of(folder).exists():
        return []
    return [trial for trial in store.read(folder).trials if trial.spec.mode == "train" and trial.status == "ok"]


def trial_for(made: Profile, trials: Iterable[TrialResult]) -> TrialResult | None:
    """The first of the same loader, batch size and model."""

    def same(spec: TrialSpec) -> bool:
        own = made.spec
        return (spec.loader, spec.batch_size, spec.model) == (own.loader, own.batch_size, own.model)

    return next((trial for trial in trials if same(trial.spec)), None)
