"""Writes a split once in a library's own format, beside the dataset, and keeps what that cost.

A dataset's formats lie in DATA/formats/NAME-KEY/SPLIT, each with a preparation.json beside it. The key changes with the
settings, the columns and the split's files, so a format of files that have changed is never read.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from platformdirs import user_cache_path

from feedrate.loaders.base import Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.walk import FORMATS, is_prepared
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder
from feedrate.loaders.stores.copying import download
from feedrate.loaders.stores.store_path import StorePath
from feedrate.loaders.stores.stored_object import state_of

RECORD = "preparation.json"
"""File beside a prepared folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What it cost to write a split in another format: the file preparation.json."""

    seconds: float
    """Seconds of the wall."""
    cpu_seconds: float
    """Seconds of the CPU, of all threads, and of the processes that were started and have ended."""
    bytes: int
    """Size of the files."""


def prepared_folder(split: Split, name: str, settings: Mapping[str, object], write: Callable[[Path], None]) -> Path:
    """Return the folder that holds `split` in the format `name`. It is written first unless it is there.

    settings: everything that decides what is written, such as a block's rows or the library's version, as JSON values.
    write: writes the split into the empty folder that it is given. The folder is renamed afterwards, so files must not
    name it. If `write` raises an error, nothing stays.

    A split of a prepared dataset is written into the dataset's folder, for all later processes, or into the user's cache if
    the dataset is in an object store. Other splits, and those of
    a dataset that is read-only, are written into a temporary folder, for this process only. Processes that need the same
    folder at the same time wait for the first of them.
    """
    key = f"{name}-{_key(split, name, settings)}"
    source = split.files[0].parent
    if isinstance(source, StorePath):
        formats = user_cache_path("feedrate") / FORMATS
        formats.mkdir(parents=True, exist_ok=True)
        return _written(formats / key, source.name, write)
    if is_prepared(source.parent) and all(file.parent == source for file in split.files):
        formats = source.parent.absolute() / FORMATS
        if (formats / key).is_dir() or _is_writable(formats):
            return _written(formats / key, source.name, write)
    return _written(_temporary().path / key, source.name, write)


def local_files(split: Split, folder: Path) -> tuple[Path, ...]:
    """Return the split's files, or copies of them in a folder that is made now if they are in an object store."""
    if not isinstance(split.files[0], StorePath):
        return split.files
    folder.mkdir()
    for file in split.files:
        assert isinstance(file, StorePath)
        download(file, folder / file.name)
    return tuple(folder / file.name for file in split.files)


def preparation_of(folder: Path) -> Preparation:
    """Return what it cost to write a folder of prepared_folder(). Raises FeedrateError if its record is unreadable."""
    path = folder.parent / RECORD
    try:
        return Preparation(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise FeedrateError(
            f"{path} cannot be read ({error}): remove {folder.parent}, and it is written again"
        ) from None


def remove_temporary() -> None:
    """Remove what this process wrote outside of datasets. For processes that end without Python's own clean-up."""
    if _temporary.cache_info().currsize:
        _temporary().close()
        _temporary.cache_clear()


def _key(split: Split, name: str, settings: Mapping[str, object]) -> str:
    """Return 12 hex digits that change with everything that the written files depend on."""
    files = [(file.parent.name, file.name, *_state(file)) for file in split.files]
    content = json.dumps([name, settings, files, repr(split.schema)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _state(file: Path) -> tuple[int, int | str]:
    """Return the size, and the time of change or the version."""
    if isinstance(file, StorePath):
        return state_of(file)
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _is_writable(formats: Path) -> bool:
    """Create the folder of the formats. False: the dataset is read-only, or on a disk without locks."""
    try:
        formats.mkdir(exist_ok=True)
        os.close(_locked(formats, fcntl.LOCK_SH))
    except OSError:
        return False
    return os.access(formats, os.W_OK | os.X_OK)


@functools.cache
def _temporary() -> TemporaryFolder:
    """Return the folder of this process, which is removed at its end."""
    return TemporaryFolder()


def _written(target: Path, inner: str, write: Callable[[Path], None]) -> Path:
    """Return the folder `inner` of the target. The process that locks the partial folder writes it, and others wait."""
    partial = target.with_name(f".{target.name}.partial")
    while not target.is_dir():
        partial.mkdir(exist_ok=True)
        try:
            lock = _locked(partial, fcntl.LOCK_EX)
        except FileNotFoundError:  # another process has just finished
            continue
        try:
            if not _is_at(lock, partial):
                continue
            if target.is_dir():  # another process finished between the two looks
                shutil.rmtree(partial)
            else:
                _write(partial, inner, write)
                partial.rename(target)
        finally:
            os.close(lock)
    return target / inner


def _write(partial: Path, inner: str, write: Callable[[Path], None]) -> None:
    for left in partial.iterdir():  # by a process that died
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    folder = partial / inner
    folder.mkdir()
    begin, cpu_begin = time.perf_counter(), _cpu_seconds()
    try:
        write(folder)
    except BaseException:
        shutil.rmtree(partial)
        raise
    record = Preparation(
        seconds=time.perf_counter() - begin,
        cpu_seconds=_cpu_seconds() - cpu_begin,
        bytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
    )
    (partial / RECORD).write_text(json.dumps(asdict(record), indent=2) + "\n")


def _locked(folder: Path, kind: int) -> int:
    """Wait for the lock of a folder, and return its descriptor."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open folder is still at this path: it was not renamed or removed while its lock was awaited."""
    try:
        there, opened = path.stat(), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino)


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
