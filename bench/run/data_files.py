"""Notices that files of a dataset change while a trial runs. It looks at sizes, times and versions, and reads no contents."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from feedrate.bench.datasets.canonical import Dataset
from feedrate.loaders.parquet.walk import FORMATS
from feedrate.loaders.stores.attempts import MissingFile
from feedrate.loaders.stores.filesystems import REQUESTS
from feedrate.loaders.stores.store_path import StorePath
from feedrate.loaders.stores.stored_object import state_of


@dataclass(frozen=True, slots=True)
class FileState:
    """What changes when a file is written to or replaced."""

    bytes: int
    modified_ns: int = 0
    inode: int = 0
    version: str = ""
    """What an object store says of its version."""


def file_states(folder: Path) -> dict[str, FileState]:
    """Return the state of each regular file below a folder, by its path relative to the folder.

    Files in formats that are being written, perhaps by another run, are left out.
    """
    return {name: state for name, state in _states(folder, "", set()) if not name.startswith(f"{FORMATS}/.")}


def stored_states(dataset: Dataset) -> dict[str, FileState]:
    """Return the same of a dataset in an object store, for the files that it lists. Raises StoreError as state_of() does."""
    assert isinstance(dataset.folder, StorePath)
    splits = dataset.info.splits.items()
    names = ["dataset.json", *(f"{name}/{file}" for name, split in splits for file in split.files)]
    with ThreadPoolExecutor(REQUESTS) as pool:
        return dict(pool.map(partial(_stored_state, dataset.folder), names))


def change(before: Mapping[str, FileState], after: Mapping[str, FileState]) -> str:
    """Return a phrase about the first file that differs, such as "a.parquet was removed". Empty if none does.

    Another run may add a format of its own, which the trial does not read. Changes of a format that was there count.
    """
    differ = sorted(
        name
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name) and (name in before or not name.startswith(f"{FORMATS}/"))
    )
    if not differ:
        return ""
    more = f", and {len(differ) - 1:,} more" if len(differ) > 1 else ""
    return _change(differ[0], before.get(differ[0]), after.get(differ[0])) + more


def _change(name: str, before: FileState | None, after: FileState | None) -> str:
    if before is None:
        return f"{name} was added"
    if after is None:
        return f"{name} was removed"
    if after.bytes < 0:
        return f"{name} was removed"
    if before.bytes != after.bytes:
        return f"{name} changed (size {before.bytes:,} -> {after.bytes:,} bytes)"
    replaced = (before.inode, before.version) != (after.inode, after.version)
    return f"{name} {'was replaced' if replaced else 'was written to'} (same size)"


def _stored_state(folder: StorePath, name: str) -> tuple[str, FileState]:
    try:
        nbytes, version = state_of(folder / name)
    except MissingFile:
        return name, FileState(-1)
    return name, FileState(nbytes, version=version)


def _states(folder: Path, prefix: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, FileState]]:
    """Files below a folder. Links are followed, each folder once. Files that vanish meanwhile are left out."""
    try:
        status = os.stat(folder)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        try:
            if entry.is_dir():
                yield from _states(Path(entry.path), f"{prefix}{entry.name}/", seen)
            elif entry.is_file():
                file = entry.stat()
                yield prefix + entry.name, FileState(file.st_size, file.st_mtime_ns, file.st_ino)
        except OSError:  # it vanished
            continue
