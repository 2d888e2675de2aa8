"""Stores profiles on disk, beside the run that they explain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from feedrate.bench.results import compressed, store
from feedrate.bench.results.profiles.explained import Explained, explain
from feedrate.bench.results.profiles.record import Profile
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.results.whole_file import write_whole
from feedrate.loaders.errors import FeedrateError

FILE = "profile.json"


def write(folder: Path, profile: Profile) -> None:
    """Write a profile to its folder. The file appears complete or not at all."""
    write_whole(folder / FILE, msgspec.json.format(msgspec.json.encode(profile), indent=1))


def read(path: Path) -> Profile:
    """Read a profile. path: its file, gzipped or not, or its folder. Raises FeedrateError."""
    file = compressed.either(path, FILE) if path.is_dir() else path
    try:
        return msgspec.json.decode(compressed.read_bytes(file), type=Profile)
    except FileNotFoundError as error:
        raise FeedrateError(f"{file} does not exist: create it with `feedrate profile LOADER DATA -o DIR`") from error
    except (*compressed.UNREADABLE, FeedrateError) as error:
        raise FeedrateError(f"{file} is not a profile: {error}") from error


def find(folder: Path) -> list[Profile]:
    """Read every profile in a run's folder, sorted by path."""
    return [read(path) for path in compressed.find(folder, FILE)]


def explained(run_or_profile: Path) -> Iterator[Explained]:
    """Explain every profile of a folder, or one profile, with trials of the run beside it.

    run_or_profile: a folder, or the file of a profile. A folder without profiles yields nothing. Raises FeedrateError
    if a file cannot be read.
    """
    folder = run_or_profile if run_or_profile.is_dir() else run_or_profile.parent
    profiles = find(folder) if run_or_profile.is_dir() else [read(run_or_profile)]
    trials = trials_of(folder) if profiles else []
    for profile in profiles:
        yield explain(profile, trial_for(profile, trials))


def trials_of(folder: Path) -> list[TrialResult]:
    """Return the successful training trials of the run in a folder. Empty if the folder holds no run."""
    if not store.path_of(folder).exists():
        return []
    return [trial for trial in store.read(folder).trials if trial.spec.mode == "train" and trial.status == "ok"]


def trial_for(profile: Profile, trials: Iterable[TrialResult]) -> TrialResult | None:
    """Return the first trial with the profile's loader, batch size, model and ranks, or None."""

    def key(spec: TrialSpec) -> tuple[object, ...]:
        return spec.loader, spec.batch_size, spec.model, spec.ranks

    return next((trial for trial in trials if key(trial.spec) == key(profile.spec)), None)
