"""What a dataset was made of: its source files and every option, so that `--if-missing` can tell whether it is the one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.tables.request import TableRequest
from feedrate.bench.datasets.tables.split.roles import find_roles
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.discovery import DataFile, DataFiles


def provenance_of(request: TableRequest, found: DataFiles, rows: int, options: PrepareOptions) -> dict[str, Any]:
    """Return the provenance for dataset.json."""
    return {
        "source": request.source,
        "rows": rows,
        "seed": options.seed,
        "row_group_rows": options.row_group_rows,
        "files": [_file(file) for file in found.files],
        "options": options_of(request),
    }


def options_of(request: TableRequest) -> Mapping[str, Any]:
    """Return every option that decides about the rows, as JSON has them. Those with their default are left out."""
    columns = msgspec.to_builtins(request.columns) if request.columns else {}
    parts = {
        **columns,
        **msgspec.to_builtins(request.transforms),
        **{f"split_{name}": value for name, value in msgspec.to_builtins(request.split).items()},
        "like": str(request.like) if request.like else None,
        "valid": [str(path) for path in request.valid_paths],
        "null_values": list(request.csv.null_values),
    }
    return {name: value for name, value in parts.items() if value not in (None, "", [], {}, ())}


def require_same(dataset: Dataset, request: TableRequest, options: PrepareOptions, output: Path) -> None:
    """Raise FeedrateError that says what differs if the dataset is not what the request would write."""
    roles = find_roles(request.paths, request.valid_paths, request.split, output)
    wanted = msgspec.to_builtins(provenance_of(request, roles.found, dataset.info.provenance.get("rows", 0), options))
    differences = list(_differences(dataset.info.provenance, wanted))
    if differences:
        raise FeedrateError(
            f"{dataset.folder} was made otherwise ({'; '.join(differences)}): pass --overwrite to replace it"
        )


def _differences(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a dataset was made of beside what is asked for."""
    if "options" not in made:
        yield f"of {made.get('source')}, without a record of its options"
        return
    for name in ("source", "seed", "row_group_rows"):
        if made.get(name) != wanted[name]:
            yield f"{name} was {made.get(name)}, not {wanted[name]}"
    before, now = ({file["path"]: file for file in part["files"]} for part in (made, wanted))
    if list(before) != list(now):
        yield f"files were {_listed(before)}, not {_listed(now)}"
    elif changed := [path for path in before if before[path] != now[path]]:
        yield f"{_listed(changed)} has changed since"
    for name in sorted({*made["options"], *wanted["options"]}):
        values = [part["options"].get(name, "not given") for part in (made, wanted)]
        if values[0] != values[1]:
            yield f"{name} was {values[0]}, not {values[1]}"


def _listed(paths: Collection[str]) -> str:
    shown = ", ".join(list(paths)[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"


def _file(file: DataFile) -> dict[str, Any]:
    status = file.shown.stat()
    return {"path": "/".join(file.inner), "bytes": status.st_size, "modified_ns": status.st_mtime_ns}
