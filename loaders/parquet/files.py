"""Makes a Split from a folder written by `feedrate prepare`, or from any Parquet files.

In the latter case, the type of a column tells its kind.
"""

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
    """The part of dataset.json that is needed here."""

    schema: Schema
    splits: Mapping[str, _SplitInfo]


def read_split(path: Path, *, split: str = "train", label: str = "") -> Split:
    """Describe the Parquet files at `path`, from their metadata alone.

    path: a folder written by `feedrate prepare`, any folder of Parquet files, or one Parquet file.
    split: which split of a prepared folder to use. label: name of the label column of other Parquet files.
    Raises FeedrateError if there is nothing to read, a file is incomplete, or the kind of a column is unclear.
    """
    description = path / "dataset.json"
    if not description.is_file():
        return _of_parquet(path, label)
    try:
        info = msgspec.json.decode(description.read_bytes(), type=_Info)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FeedrateError(
            f"{description} cannot be read ({error}): prepare it again with `feedrate prepare --overwrite`"
        ) from error
    if split not in info.splits:
        raise FeedrateError(f"{path} has no split {split!r}: choose from {', '.join(info.splits)}")
    split_info = info.splits[split]
    files = tuple(path / split / file for file in split_info.files)
    for file in files:
        footer(file)
    return Split(files=files, rows=split_info.rows, schema=info.schema)


def _of_parquet(path: Path, label: str) -> Split:
    files = tuple(sorted(path.glob("*.parquet"))) if path.is_dir() else (path,)
    if not files or not files[0].is_file():
        raise FeedrateError(f"{path} has no Parquet files and no dataset.json: create a folder with `feedrate prepare`")
    footers = [footer(file) for file in files]
    columns = footers[0].schema.to_arrow_schema()
    if label not in columns.names:
        raise FeedrateError(f"{files[0]} has no column {label!r}: set label= to one of {', '.join(columns.names)}")
    rows = sum(metadata.num_rows for metadata in footers)
    return Split(files=files, rows=rows, schema=_schema(files[0], columns, label))


def footer(file: Path) -> pq.FileMetaData:
    """Read a Parquet file's metadata. Raises FeedrateError if the file is missing, truncated or not Parquet."""
    try:
        return pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        raise FeedrateError(
            f"{file} cannot be read as Parquet ({error}): write or copy it again, or prepare the folder again"
        ) from error


def _schema(file: Path, columns: pa.Schema, label: str) -> Schema:
    kinds: dict[str, list[str]] = {"single-hot": [], "multi-hot": [], "continuous": []}
    for field in columns:
        if field.name != label:
            kinds[_kind(file, field)].append(field.name)
    # only a model's tables need cardinalities; reading does not, so they are 0
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
        f"{file}: column {field.name!r} has type {kind}, but must hold integers, lists of integers or floats. "
        f"Turn its values into ids with `feedrate prepare parquet --categorify {field.name}`"
    )
