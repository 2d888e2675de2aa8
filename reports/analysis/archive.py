"""Finds record files under a folder, reads them one at a time, and says which of their numbers are comparable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from feedrate.bench.results import compressed, store
from feedrate.bench.results.record import RunRecord
from feedrate.bench.results.spec import TASKS, ModelSpec, TrialSpec, shared_fields
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.plausibility import refuse_implausible
from feedrate.reports.names import plain, short

NOT_SETTINGS = ("loader", "mode", "repeat", "seed", "batch_size", "model")
"""Fields of a TrialSpec that may differ between trials of one setting, or that reports show in a place of their own."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A data set on a machine. Speeds are compared only within one place."""

    dataset: str
    """Name of the data set, for people."""
    fingerprint: str
    """Fingerprint of the data set, as in the record."""
    machine: str
    """Name of the GPU, or of the CPU if there is no GPU."""
    cores: int
    """Number of CPU cores."""
    cpu: str
    """Name of the CPU. Machines with the same GPU and another CPU are not compared."""

    @property
    def title(self) -> str:
        """Data set and hardware, as a heading."""
        return f"{short(self.dataset)} on {self.hardware}"

    @property
    def hardware(self) -> str:
        """GPU, cores and CPU."""
        cpu = f" of {short(self.cpu)}" if self.cpu and not self.machine.startswith(self.cpu) else ""
        return f"{short(self.machine)}, {self.cores} cores{cpu}"


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """When a run started, and from which commit. Moments sort by time."""

    at: datetime
    """Start of the run, in UTC."""
    path: str
    """Path of the record, as it was found. It keeps runs that started in the same second apart."""
    commit: str
    """First seven digits, with a + if the checkout had changes. A dash if the commit is unknown."""

    @property
    def date(self) -> str:
        """Day of the start, in UTC: YYYY-MM-DD."""
        return f"{self.at:%Y-%m-%d}"


def find(folder: Path) -> list[Path]:
    """Return every run.json or run.json.gz under a folder, or the file itself.

    Raises FeedrateError if there is none.
    """
    paths = [folder] if folder.is_file() else compressed.find(folder, store.FILE)
    if not paths:
        problem = f"contains no {store.FILE}" if folder.is_dir() else "does not exist"
        raise FeedrateError(f"{plain(str(folder))} {problem}: pass a folder of runs written by `feedrate run -o`")
    return paths


def read(paths: Sequence[Path], warn: Callable[[str], None]) -> Iterator[tuple[Path, RunRecord]]:
    """Yield the records one at a time. A broken file is skipped, and `warn` gets a sentence that names it."""
    for path in paths:
        try:
            record = store.read(path)
            moment(path, record)
            refuse_implausible(path, record)
        except (FeedrateError, RecursionError, ValueError, ArithmeticError) as error:
            warn(f"skipped: {plain(' '.join(str(error).split()))}")
        else:
            yield path, record


def place(record: RunRecord) -> Place:
    """Return the data set and machine of a record."""
    env, data = record.environment, record.dataset
    return Place(data.name, data.fingerprint, env.gpu or f"{env.cpu}, no GPU", env.cores, env.cpu)


def moment(path: Path, record: RunRecord) -> Moment:
    """Return when a record's run started, and its commit.

    Raises FeedrateError if `started_at` is not an ISO 8601 time.
    """
    env = record.environment
    try:
        at = datetime.fromisoformat(env.started_at)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise FeedrateError(f"{path}: started_at is {short(env.started_at)!r}, but must be an ISO 8601 time") from None
    commit = f"{plain(env.commit[:7])}{'+' * bool(env.dirty)}" if env.commit else "-"
    return Moment(at, str(path), commit)


def settings(spec: TrialSpec) -> str:
    """Describe what must agree, besides the batch size, before two trials are compared.

    These are the task unless it is mlp, the epochs, the kind of device, and every other setting that is not the default.
    """
    model = spec.model
    parts = [f"task {model.task}"] * (model.task != "mlp")
    parts += [f"{spec.epochs} epoch{'s' * (spec.epochs != 1)}", spec.device.partition(":")[0]]
    defaults = {field.name: field.default for field in fields(TrialSpec)}
    parts += _not_default(spec, defaults, ("epochs", "device", *NOT_SETTINGS))
    parts += _not_default(model, shared_fields(TASKS[model.task], ModelSpec), ("task",))
    return short(", ".join(parts))


def _not_default(values: object, defaults: Mapping[str, object], excluded: Sequence[str]) -> Iterator[str]:
    for field in fields(values):  # type: ignore[arg-type]  # some dataclass
        value = getattr(values, field.name)
        if field.name not in excluded and value != defaults[field.name]:
            yield f"{field.name.replace('_', ' ')} {value}"
