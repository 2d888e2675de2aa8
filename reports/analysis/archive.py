"""Many record files: found under a folder, read one at a time, and put where their numbers are comparable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from feedrate.bench.results import compressed, store
from feedrate.bench.results.record import RunRecord
from feedrate.bench.results.spec import TrialSpec
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.plausibility import refuse_implausible
from feedrate.reports.names import plain, short

NOT_SETTINGS = ("loader", "mode", "repeat", "seed", "batch_size", "model")
"""Fields of a TrialSpec that tell trials of one setting apart, or are told by themselves."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A data set on a machine: only within one of these are speeds compared."""

    dataset: str
    """Its name, for people."""
    fingerprint: str
    machine: str
    """GPU or else CPU."""
    cores: int

    @property
    def title(self) -> str:
        return f"{short(self.dataset)} on {short(self.machine)}, {self.cores} cores"


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """When and of what a run was made. Orders by time."""

    at: datetime
    path: str
    """Of the record, as found: keeps runs of the same second apart."""
    commit: str
    """Short, with a + where the checkout had changes; a dash where it is not known."""

    @property
    def date(self) -> str:
        return f"{self.at:%Y-%m-%d}"


def find(folder: Path) -> list[Path]:
    """Every run.json under a folder, or the file itself. Raises FeedrateError where there is none."""
    found = [folder] if folder.is_file() else compressed.find(folder, store.FILE)
    if not found:
        why = f"has no {store.FILE} in it or below" if folder.is_dir() else "does not exist"
        raise FeedrateError(f"{plain(str(folder))} {why}: name a folder of runs, as `feedrate run -o` makes them")
    return found


def read(paths: Sequence[Path], warn: Callable[[str], None]) -> Iterator[tuple[Path, RunRecord]]:
    """One record at a time. A file that is broken is named to `warn` in a sentence, and left out."""
    for path in paths:
        try:
            record = store.read(path)
            moment(path, record)
            refuse_implausible(path, record)
        except (FeedrateError, RecursionError, ValueError, ArithmeticError) as error:
            warn(f"left out: {plain(' '.join(str(error).split()))}")
        else:
            yield path, record


def place(record: RunRecord) -> Place:
    env, data = record.environment, record.dataset
    return Place(data.name, data.fingerprint, env.gpu or f"{env.cpu}, no GPU", env.cores)


def moment(path: Path, record: RunRecord) -> Moment:
    """Raises FeedrateError where the record's time is none."""
    env = record.environment
    try:
        at = datetime.fromisoformat(env.started_at)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise FeedrateError(f"{path} says it was started at {short(env.started_at)!r}, which is no ISO 8601") from None
    commit = f"{plain(env.commit[:7])}{'+' * bool(env.dirty)}" if env.commit else "-"
    return Moment(at, str(path), commit)


def settings(spec: TrialSpec) -> str:
    """What must agree, batch size apart, before two trials are compared: epochs, and what is not a default, in words."""
    parts = [f"{spec.epochs} epoch{'s' * (spec.epochs != 1)}", spec.device.partition(":")[0]]
    parts += _changed(spec, ("epochs", "device", *NOT_SETTINGS))
    parts += _changed(spec.model, ())
    return short(", ".join(parts))


def _changed(values: object, known: Sequence[str]) -> Iterator[str]:
    for field in fields(values):  # type: ignore[arg-type]  # a dataclass, whichever
        value = getattr(values, field.name)
        if field.name not in known and value != field.default:
            yield f"{field.name.replace('_', ' ')} {value}"
