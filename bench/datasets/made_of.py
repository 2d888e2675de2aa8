"""What a dataset was made of, so that `--if-missing` can tell whether it is the one that is asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from feedrate.bench.datasets.canonical import Dataset
from feedrate.loaders.errors import FeedrateError

MAX_SHOWN = 60
"""Characters of an option's value in a message."""


def identity(name: str, file: Path) -> dict[str, Any]:
    """Return what tells whether a source file is still the same: its name, size and time of change."""
    status = file.stat()
    return {"path": name, "bytes": status.st_size, "modified_ns": status.st_mtime_ns}


def require_same(dataset: Dataset, wanted: Mapping[str, Any]) -> None:
    """Raise FeedrateError that says what differs if the dataset was made otherwise.

    wanted: source, seed, row_group_rows, files (as identity() returns them) and options, as they stand in the provenance.
    """
    made = {"files": [], **dataset.info.provenance}
    try:
        msgspec.convert({"options": {}, **made}, _Made)
    except msgspec.ValidationError as error:
        raise FeedrateError(
            f"{dataset.folder} does not say what it was made of ({error}): pass --overwrite without --if-missing to replace it"
        ) from error
    differences = list(_differences(made, msgspec.json.decode(msgspec.json.encode(wanted))))
    if differences:
        raise FeedrateError(
            f"{dataset.folder} was made otherwise ({'; '.join(differences)}): pass --overwrite without --if-missing to replace it"
        )


class _File(msgspec.Struct):
    path: str


class _Made(msgspec.Struct):
    """The form of those parts of the provenance that are compared piece by piece."""

    files: list[_File]
    options: dict[str, Any]


def _differences(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a dataset was made of beside what is asked for."""
    if "options" not in made:
        yield f"of {made.get('source')}, without a record of its options"
        return
    for name in ("source", "seed", "row_group_rows"):
        if made.get(name) != wanted[name]:
            yield f"{name} was {made.get(name)} and is now {wanted[name]}"
    before, now = ([file["path"] for file in part["files"]] for part in (made, wanted))
    if before != now:
        yield f"files were {_listed(before)} and are now {_listed(now)}"
    else:
        changed = [old["path"] for old, new in zip(made["files"], wanted["files"], strict=True) if old != new]
        if changed:
            yield f"{_listed(changed)} changed since"
    for name in sorted({*made["options"], *wanted["options"]}):
        values = [part["options"].get(name) for part in (made, wanted)]
        if values[0] != values[1]:
            yield f"{name} was {_shown(values[0])} and is now {_shown(values[1])}"


def _shown(value: Any) -> str:
    if value is None:
        return "not given"
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _listed(paths: Collection[str]) -> str:
    shown = ", ".join(list(paths)[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"
