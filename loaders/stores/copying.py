"""Copies files between an object store and a local folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from feedrate.loaders.stores.range_file import PART_BYTES, RangeFile
from feedrate.loaders.stores.store_path import StorePath
from feedrate.loaders.stores.stored_object import StoredObject

AHEAD_BYTES = 8 * PART_BYTES


def download(source: StorePath, target: Path, received: Callable[[int], None] = lambda _nbytes: None) -> None:
    """Copy a file out of a store. It appears under its name when it is whole. received: is told of bytes as they come.

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


def _contents(stored: StoredObject) -> Iterator[bytes]:
    with RangeFile(stored) as file:
        for begin in range(0, stored.size, AHEAD_BYTES):
            end = min(begin + AHEAD_BYTES, stored.size)
            file.ahead(begin, end)
            yield file.read(end - begin)
