"""Walks a user's folders by the rules of Spark and Arrow: it says which files lie there, and why others are left out.

It skips files and folders whose names begin with "_" or ".". A folder is a folder whatever its name is. The output folder is
never entered.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from feedrate.loaders.errors import FeedrateError

_TABLE_FORMATS = {"_delta_log": "Delta", ".hoodie": "Hudi"}
"""Folders of table formats, which keep files of deleted and replaced rows beside the current ones."""
_SPLITS = ("train", "valid")
FORMATS = "formats"
"""Folder of a prepared dataset that holds its splits in other formats."""


def walk(folder: Path, output: Path | None, skipped: Counter[str]) -> Iterator[Path]:
    """Yield the files below a folder in order, and count what is skipped by its reason.

    output: a folder that is not entered, resolved.
    Raises FeedrateError for a folder of a table format, in which files of old rows lie beside the current ones.
    """
    seen: set[str] = set()
    for name, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(name)
        if real in seen:
            skipped["links to folders that are read already"] += 1
            folders.clear()
            continue
        seen.add(real)
        _require_plain(Path(name), folders)
        folders[:] = _kept_folders(Path(name), sorted(folders, key=in_numbers_order), output, skipped)
        for file in sorted(files, key=in_numbers_order):
            if is_hidden(file):
                skipped["hidden files"] += 1
            elif Path(name, file).is_file():
                yield Path(name, file)
            else:
                skipped["links to nothing, pipes and devices"] += 1


def in_numbers_order(name: str) -> list[str | int]:
    """Return a key that sorts part.2 before part.10, as Dask and others number their files."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", name))]


def is_hidden(name: str) -> bool:
    """Whether Spark and Arrow skip a file or folder of this name. `_x=1` is the folder of a column."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def is_prepared(folder: Path) -> bool:
    """Whether feedrate prepared this folder."""
    return (folder / "dataset.json").is_file() and (folder / "train").is_dir()


def _kept_folders(folder: Path, names: list[str], output: Path | None, skipped: Counter[str]) -> list[str]:
    """Return the folders to enter. Of a prepared dataset these are the splits."""
    prepared = is_prepared(folder)
    kept = []
    for name in names:
        if prepared and name not in _SPLITS:
            reason = "folders with what feedrate knows of a dataset"
        else:
            reason = _reason_to_skip(folder / name, output)
        if reason:
            skipped[reason] += 1
        else:
            kept.append(name)
    return kept


def _reason_to_skip(folder: Path, output: Path | None) -> str:
    if is_hidden(folder.name):
        return "hidden folders"
    if output is not None and folder.resolve() == output:
        return "the output folder"
    return "folders that feedrate prepared" if is_prepared(folder) else ""


def _require_plain(folder: Path, children: list[str]) -> None:
    kind = next((kind for child, kind in _TABLE_FORMATS.items() if child in children), "")
    if not kind and "metadata" in children and any((folder / "metadata").glob("*.metadata.json")):
        kind = "Iceberg"
    if kind:
        raise FeedrateError(
            f"{folder} is a table of {kind}, whose folder may hold deleted rows: export its current rows, "
            f"or name its files with a quoted glob pattern"
        )
