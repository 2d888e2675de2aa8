"""Copies files and folders between an object store and this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from feedrate.loaders.stores.attempts import MissingFile, StoreError, attempt
from feedrate.loaders.stores.filesystems import filesystem
from feedrate.loaders.stores.finding import StoredFiles, find_stored
from feedrate.loaders.stores.range_file import PART_BYTES, RangeFile
from feedrate.loaders.stores.store_path import NAMED_BUCKETS, StorePath
from feedrate.loaders.stores.stored_object import StoredObject

AHEAD_BYTES = 8 * PART_BYTES
UNFINISHED = "feedrate-unfinished"
"""A file that stands in a folder of a store while feedrate copies to it. It remains if the copy is interrupted."""
Counted = Callable[[int], None]
"""Is told of bytes as they are copied."""


def copy_in(found: StoredFiles, folder: Path, received: Counted) -> Path:
    """Copy the files into a folder, with their times of change. Return what the address names there."""
    for file in found.files:
        target = folder.joinpath(*file.inner)
        target.parent.mkdir(parents=True, exist_ok=True)
        download(file.path, target, received)
        os.utime(target, (file.modified_s, file.modified_s))
    return folder.joinpath(*found.named)


def download(source: StorePath, target: Path, received: Counted = lambda _nbytes: None) -> None:
    """Copy a file out of a store. It appears under its name when it is whole.

    Raises StoreError, and OSError of the local disk.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("wb") as file:
            for content in _contents(StoredObject(source)):
                file.write(content)
                received(len(content))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def copy_out(folder: Path, address: StorePath, last: str, sent: Counted) -> None:
    """Copy a folder into a store, and remove the other files there.

    last: the file that makes the others count. It is removed first and copied last, so that a copy that was interrupted
    is no whole one. Raises StoreError.
    """
    before = _names_below(address) | {UNFINISHED}
    _mark(address / UNFINISHED)
    if last in before:
        _remove(address / last)
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    for name in [*sorted(names - {last}), last]:
        _put(folder / name, address / name)
        sent((folder / name).stat().st_size)
    for name in sorted(before - names):
        _remove(address / name)


def require_writable(address: StorePath) -> None:
    """Raise StoreError if nothing can be copied to an address: web servers take no files, and a bucket must exist."""
    if address.is_web:
        raise StoreError(f"{address} is on a web server, which takes no files: name a local folder, or an object store")
    if address.scheme in NAMED_BUCKETS:
        bucket = StorePath(*address.parts[:2])
        store = filesystem(bucket)
        try:
            attempt(bucket, lambda: store.info(bucket.url))
        except MissingFile:
            raise
        except StoreError:
            return  # who may write below a folder need not be allowed to look at the bucket


def _names_below(address: StorePath) -> set[str]:
    try:
        found = find_stored(address)
    except MissingFile:
        return set()
    return {"/".join(file.inner[1:]) for file in found.files}


def _mark(address: StorePath) -> None:
    store = filesystem(address)
    attempt(address, lambda: store.pipe_file(address.url, b""), doing="written")


def _put(file: Path, address: StorePath) -> None:
    store = filesystem(address)
    attempt(address, lambda: store.put_file(str(file), address.url), doing="written")


def _remove(address: StorePath) -> None:
    store = filesystem(address)
    attempt(address, lambda: store.rm_file(address.url), doing="removed")


def _contents(stored: StoredObject) -> Iterator[bytes]:
    with RangeFile(stored) as file:
        for begin in range(0, stored.size, AHEAD_BYTES):
            end = min(begin + AHEAD_BYTES, stored.size)
            file.ahead(begin, end)
            yield file.read(end - begin)
