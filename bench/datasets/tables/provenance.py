"""What a dataset was made of: its source files and every option, so that `--if-missing` can tell whether it is the one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.made_of import identity, require_same
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.tables.request import TableRequest
from feedrate.bench.datasets.tables.split.roles import Roles, find_roles


def with_states(roles: Roles) -> Roles:
    """Note the size and time of change of every file. To be called before the files are read."""
    return replace(roles, files=tuple(identity("/".join(file.inner), file.shown) for file in roles.found.files))


def provenance_of(request: TableRequest, roles: Roles, rows: int, options: PrepareOptions) -> dict[str, Any]:
    """Return the provenance for dataset.json. roles: with_states()."""
    return {
        "source": request.source,
        "rows": rows,
        "seed": options.seed,
        "row_group_rows": options.row_group_rows,
        "files": list(roles.files),
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
        "like_fingerprint": read_dataset(request.like).info.fingerprint[:16] if request.like else None,
        "valid": [str(path) for path in request.valid_paths],
        "null_values": list(request.csv.null_values),
        "etl": request.etl if request.etl != "feedrate" else None,
    }
    return {name: value for name, value in parts.items() if value not in (None, "", [], {}, ())}


def require_same_table(dataset: Dataset, request: TableRequest, options: PrepareOptions, output: Path) -> None:
    """Raise FeedrateError that says what differs if the dataset is not what the request would write."""
    roles = find_roles(request.paths, request.valid_paths, request.split, output, request.known_files)
    require_same(dataset, provenance_of(request, with_states(roles), 0, options))
