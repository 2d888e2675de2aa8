"""run.json on disk. It is whole at every moment, and it grows by one trial at a time. A finished record may be gzipped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from feedrate.bench.results import compressed
from feedrate.bench.results.record import SCHEMA_VERSION, RunRecord, TrialResult
from feedrate.bench.results.whole_file import write_whole
from feedrate.loaders.errors import FeedrateError

FILE = "run.json"


def path_of(run: Path) -> Path:
    """`run` itself if its name is that of a record file, else the run.json in it, or run.json.gz if only that exists."""
    return run if is_file_name(run) else compressed.either(run, FILE)


def path_to_write(run: Path) -> Path:
    """The run.json that a run writes. Raises FeedrateError if only a gzipped record exists: those are never written to."""
    path = path_of(run)
    if path.suffix == compressed.SUFFIX:
        raise FeedrateError(f"{path} is compressed and cannot be written to: `gunzip {path}`, or choose another -o")
    return path


def is_file_name(run: Path) -> bool:
    """Whether `run` names a record file, gzipped or not; otherwise it names a folder."""
    return run.name.endswith((".json", f".json{compressed.SUFFIX}"))


def read(run: Path) -> RunRecord:
    """Read a record. Raises FeedrateError if there is none that can be read."""
    path = path_of(run)
    try:
        content = compressed.read_bytes(path)
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


def write(run: Path, record: RunRecord) -> None:
    """Replace run.json in one step. A reader sees the old one or the new one, whatever dies."""
    write_whole(path_to_write(run), _encode(record))


def append(run: Path, record: RunRecord, trial: TrialResult) -> RunRecord:
    """Add one trial to the record on disk, and return the new record."""
    record = replace(record, trials=(*record.trials, trial))
    write(run, record)
    return record


class _Version(msgspec.Struct):
    schema_version: int


def _encode(record: RunRecord) -> bytes:
    """JSON with one line per trial, so that a diff shows what changed."""
    head = msgspec.json.encode(replace(record, trials=())).removesuffix(b"[]}")
    trials = b",\n".join(msgspec.json.encode(trial) for trial in record.trials)
    return head + b"[\n" + trials + b"\n]}\n"
