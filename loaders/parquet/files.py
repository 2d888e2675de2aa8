"""A Split from what a user has: a folder that `feedrate prepare` made, or any Parquet whose columns' types say their kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from feedrate.loaders.base import Categorical, Schema, Split
from feedrate.loaders.errors import FeedrateError


@dataclass(frozen=True, slots=True, kw_only=True)
class _SplitInfo:
    rows: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Info:
    """What is needed here of dataset.json."""

    schema: Schema
    splits: Mapping[str, _SplitInfo]


def read_split(path: Path, *, split: str = "train", label: str = "") -> Split:
    """Raises FeedrateError where nothing is there or a file is not whole, or the columns' kinds cannot be told."""
    description = path / "dataset.json"
    if not description.is_file():
        return _of_parquet(path, label)
    try:
        info = msgspec.json.decode(description.read_bytes(), type=_Info)
    except (msgspec.DecodeError, OSError) as error:
        raise FeedrateError(f"{description} cannot be read ({error}): make it anew with `feedrate prepare`") from error
    if split not in info.splits:
        raise FeedrateError(f"{path} has no split {split!r}: choose from {', '.join(info.splits)}")
    found = info.splits[split]
    files = tuple(path / split / file for file in found.files)
    for file in files:
        footer(file)
    return Split(files=files, rows=found.rows, schema=info.schema)


def _of_parquet(path: Path, label: str) -> Split:
    files = tuple(sorted(path.glob("*.parquet"))) if path.is_dir() else (path,)
    if not files or not files[0].is_file():
        raise FeedrateError(f"{path} has no Parquet files and no dataset.json: `feedrate prepare` makes such a folder")
    footers = [footer(file) for file in files]
    columns = footers[0].schema.to_arrow_schema()
    if label not in columns.names:
        raise FeedrateError(f"{files[0]} has no column {label!r}: label= names one of {', '.join(columns.names)}")
    rows = sum(found.num_rows for found in footers)
    return Split(files=files, rows=rows, schema=_schema(files[0], columns, label))


def footer(file: Path) -> pq.FileMetaData:
    """A Parquet file's metadata. Raises FeedrateError where it is missing, cut short or of another kind."""
    try:
        return pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        raise FeedrateError(
            f"{file} cannot be read as Parquet ({error}): write or copy it again, or prepare the folder anew"
        ) from error


def _schema(file: Path, columns: pa.Schema, label: str) -> Schema:
    kinds: dict[str, list[str]] = {"single-hot": [], "multi-hot": [], "continuous": []}
    for field in columns:
        if field.name != label:
            kinds[_kind(file, field)].append(field.name)
    # what a model's tables need; nothing that is read depends on it
    single, multi = (
        tuple(Categorical(name=name, cardinality=0) for name in kinds[kind]) for kind in ("single-hot", "multi-hot")
    )
    return Schema(single_hot=single, multi_hot=multi, continuous=tuple(kinds["continuous"]), label=label)


def _kind(file: Path, field: pa.Field) -> str:
    kind = field.type
    if pa.types.is_integer(kind):
        return "single-hot"
    if pa.types.is_floating(kind):
        return "continuous"
    if pa.types.is_list(kind) and pa.types.is_integer(kind.value_type):
        return "multi-hot"
    raise FeedrateError(
        f"{file}: column {field.name!r} is {kind}, and neither integers, lists of integers nor floats: "
        "`feedrate prepare parquet --categorify` makes ids of anything"
    )
