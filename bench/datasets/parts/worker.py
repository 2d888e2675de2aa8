"""What a Dask worker does for `feedrate prepare`: it looks around, and it writes the file of a part."""

from __future__ import annotations

import functools
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feedrate.bench.datasets.parts.finished_part import write_part
from feedrate.bench.datasets.parts.runner import Work
from feedrate.bench.datasets.parts.versions import difference, versions
from feedrate.loaders.errors import Faults, FeedrateError

SHARED_STAGES = 2
"""Stages whose shared content a worker keeps in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTask:
    """A part that a worker is to do."""

    work: Work[Any, Any, Any]
    shared: Path
    """The file with what all parts of the stage share, pickled."""
    item: bytes
    """Pickled."""
    file: Path
    """The file to write."""
    versions: Mapping[str, str]
    """Those of the client."""


def do_part(task: PartTask) -> tuple[str, ...]:
    """Write the file of a part. Return what is wrong with the data or the worker, a sentence each; empty if it is done."""
    if other := difference(task.versions, versions()):
        return (f"worker {_address()} has {other}: install the same versions there",)
    try:
        if not task.file.exists():  # its worker may have died just after
            write_part(task.file, task.work(_shared(task.shared), pickle.loads(task.item)))
    except Faults as error:
        return error.sentences
    except FeedrateError as error:
        return (str(error),)
    except OSError as error:
        return (f"worker {_address()} cannot use {error.filename or task.file.parent}: {error.strerror or error}",)
    return ()


def look_around(folder: Path, token: str) -> tuple[Mapping[str, str], str]:
    """Return the versions of this worker, and why it cannot write to the folder that holds the token; empty if it can."""
    try:
        (folder / f"{token}-{os.getpid()}").touch()
        return versions(), "" if (folder / token).exists() else f"{folder} there is another folder"
    except OSError as error:
        return versions(), f"{folder} cannot be written there: {error.strerror}"


def first_invisible(files: Sequence[tuple[Path, int]]) -> Path | None:
    """Return the first file that this worker does not see, or sees in another size."""
    for file, size in files:
        try:
            if file.stat().st_size != size:
                return file
        except OSError:
            return file
    return None


@functools.lru_cache(maxsize=SHARED_STAGES)
def _shared(file: Path) -> Any:
    return pickle.loads(file.read_bytes())


def _address() -> str:
    from distributed import get_worker

    return str(get_worker().address)
