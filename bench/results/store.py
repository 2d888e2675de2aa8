"""run.json on disk. It grows by one trial at a time, and no trial that is in it is lost. A finished record may be gzipped.

A small record is replaced in one step, so that it is whole at every moment. A large one is extended in place: 10,000 trials would
otherwise write it 10,000 times. If a crash interrupts that, its last line is incomplete, and readers leave it out.
"""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec

from feedrate.bench.results import compressed
from feedrate.bench.results.record import SCHEMA_VERSION, RunRecord, TrialResult
from feedrate.bench.results.spec import ModelSpec, TrialSpec
from feedrate.bench.results.whole_file import write_whole
from feedrate.loaders.errors import FeedrateError

FILE = "run.json"
REPLACED_BYTES = 1_000_000
"""Size up to which a record is replaced with each trial."""
TRIED_AGAIN = ("failed", "unavailable")
"""States of trials that a continued run tries again."""
_SEPARATOR, _END = b",\n", b"\n]}\n"


def path_of(run: Path) -> Path:
    """`run` itself if its name is that of a record file, else the run.json in it, or run.json.gz if only that exists."""
    return run if is_file_name(run) else compressed.either(run, FILE)


def path_to_write(run: Path) -> Path:
    """The run.json that a run writes. Raises FeedrateError if only a gzipped record exists: those are never written to."""
    path = path_of(run)
    if path.suffix == compressed.SUFFIX:
        raise FeedrateError(f"{path} is compressed and cannot be written to: `gunzip {path}`, or choose another -o")
    return path


def why_not_continued(run: Path, record: RunRecord, commit: str | None = None) -> str:
    """Say why --resume cannot continue a record; empty if nothing speaks against it.

    commit: the one that feedrate runs from now. None if it is not known.
    """
    if record.schema_version != SCHEMA_VERSION:
        return "has an older format"
    if path_of(run).suffix == compressed.SUFFIX:
        return "is compressed"
    return "was made at another commit" if commit is not None and commit != record.environment.commit else ""


def is_file_name(run: Path) -> bool:
    """Whether `run` names a record file, gzipped or not; otherwise it names a folder."""
    return run.name.endswith((".json", f".json{compressed.SUFFIX}"))


def read(run: Path) -> RunRecord:
    """Read a record. Raises FeedrateError if there is none that can be read."""
    path = path_of(run)
    try:
        content = _whole(compressed.read_bytes(path))
        version = msgspec.json.decode(content, type=_Version).schema_version
        if version <= SCHEMA_VERSION:
            return msgspec.json.decode(content, type=RunRecord)
    except FeedrateError as error:  # of an invalid setting in it
        raise FeedrateError(f"{path} is not a run record: {error}") from error
    except FileNotFoundError:
        raise FeedrateError(f"{path} does not exist: create it with `feedrate run DATA -o {run}`") from None
    except compressed.UNREADABLE as error:
        raise FeedrateError(f"{path} is not a run record: {error}") from error
    raise FeedrateError(
        f"{path} has schema version {version}, and this feedrate reads up to {SCHEMA_VERSION}: update feedrate"
    )


def unrecorded_settings(run: Path) -> frozenset[str]:
    """Return the settings that a record lacks because it is older than they are: "check", or "model: step" of the model.

    In a record that was read, such a setting has today's default, which nobody chose.
    """
    try:
        trials = msgspec.json.decode(_whole(compressed.read_bytes(path_of(run))), type=_Specs).trials
    except compressed.UNREADABLE:
        return frozenset()
    keys = set(trials[0].spec) if trials else {field.name for field in fields(TrialSpec)}
    model = trials[0].spec.get("model") if trials else None
    lacking = {field.name for field in fields(TrialSpec)} - keys
    if isinstance(model, dict):
        lacking |= {f"model: {field.name}" for field in fields(ModelSpec) if field.name not in model}
    return frozenset(lacking)


def write(run: Path, record: RunRecord) -> None:
    """Replace run.json in one step. A reader sees the old one or the new one, whatever dies."""
    write_whole(path_to_write(run), _encode(record))


def append(run: Path, record: RunRecord, trial: TrialResult) -> RunRecord:
    """Add one trial to the record on disk, and return the new record. Raises FeedrateError, and leaves the old record then."""
    path = path_to_write(run)
    grown = replace(record, trials=(*record.trials, trial))
    if not (record.trials and path.is_file() and path.stat().st_size > REPLACED_BYTES and _extend(path, trial)):
        write(run, grown)
    return grown


def _extend(path: Path, trial: TrialResult) -> bool:
    """Write one more trial over the file's end. Return False if the file does not end as a record does."""
    try:
        with path.open("r+b", buffering=0) as file:
            end = file.seek(-len(_END), os.SEEK_END)
            if file.read() != _END:
                return False
            try:
                _write_all(file.fileno(), _SEPARATOR + msgspec.json.encode(trial) + _END, end)
            except OSError:  # the disk is full: the old end fits
                os.pwrite(file.fileno(), _END, end)
                file.truncate(end + len(_END))
                raise
    except OSError as error:
        raise FeedrateError(f"{path} cannot be written: {error.strerror or error}") from error
    return True


def _write_all(number: int, content: bytes, at: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(number, view, at)
        view, at = view[written:], at + written
    os.fsync(number)


def _whole(content: bytes) -> bytes:
    """The content without an incomplete last line, which a crash may leave of a large record."""
    if len(content) <= REPLACED_BYTES or content.endswith(_END):
        return content
    kept, separator, _ = content.rpartition(_SEPARATOR)
    return kept + _END if separator else content


class _Version(msgspec.Struct):
    schema_version: int


class _Spec(msgspec.Struct):
    spec: dict[str, Any]


class _Specs(msgspec.Struct):
    trials: list[_Spec]


def _encode(record: RunRecord) -> bytes:
    """JSON with one line per trial, so that a diff shows what changed."""
    head = msgspec.json.encode(replace(record, trials=())).removesuffix(b"[]}")
    trials = _SEPARATOR.join(msgspec.json.encode(trial) for trial in record.trials)
    return head + b"[\n" + trials + _END
