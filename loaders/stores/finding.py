"""Finds the files that an address in an object store stands for: a file, a folder, or all that a pattern matches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from feedrate.loaders.stores.attempts import MissingFile, attempt
from feedrate.loaders.stores.filesystems import filesystem
from feedrate.loaders.stores.store_path import StorePath

_PATTERN = set("*?[")
_TIMES = ("LastModified", "updated", "mtime", "modified", "created")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was found."""

    path: StorePath
    inner: tuple[str, ...]
    """Names below the folder that holds everything found."""
    nbytes: int
    modified_s: float
    """Time of its last change. 0 if the store does not tell."""


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """What an address stands for."""

    folder: StorePath
    """The folder that holds everything found."""
    files: tuple[StoredFile, ...]
    named: tuple[str, ...]
    """What the address names, below that folder: a file, a folder or a pattern."""


def find_stored(address: StorePath) -> StoredFiles:
    """Return the files at an address. Raises MissingFile if there are none, and StoreError."""
    parts = address.parts
    first_pattern = next((place for place, part in enumerate(parts) if place > 1 and set(part) & _PATTERN), None)
    depth = max(len(parts) - 1 if first_pattern is None else first_pattern, 2)
    root, store = StorePath(*parts[:depth]), filesystem(address)
    store.invalidate_cache()
    infos = attempt(address, lambda: _infos(store, address, pattern=first_pattern is not None))
    base = store._strip_protocol(root.url)
    found = []
    for info in infos:
        if info["type"] == "directory" or info["name"].endswith("/"):
            continue
        inner = (address.name,) if address.is_web else tuple(info["name"].removeprefix(base).strip("/").split("/"))
        found.append(StoredFile(root.joinpath(*inner), inner, int(info["size"] or 0), _modified_s(info)))
    if not found:
        raise MissingFile(f"{address} does not exist or has no files: check the address")
    return StoredFiles(root, tuple(sorted(found, key=lambda file: file.inner)), parts[depth:])


def _infos(store: Any, address: StorePath, *, pattern: bool) -> list[Mapping[str, Any]]:
    """Return fsspec's descriptions. A web server lists no folder, so an address there is always one file."""
    named = list(store.glob(address.url, detail=True).values()) if pattern else [store.info(address.url)]
    infos: list[Mapping[str, Any]] = []
    for info in named:
        folder = info["type"] == "directory"
        infos += store.find(info["name"], detail=True).values() if folder else [info]
    return infos


def _modified_s(info: Mapping[str, Any]) -> float:
    value = next((info[name] for name in _TIMES if info.get(name)), 0.0)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return 0.0
    return value.timestamp() if isinstance(value, datetime) else float(value)
