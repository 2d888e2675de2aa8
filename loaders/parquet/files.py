"""Makes a Split from a folder written by `feedrate prepare`, or from any Parquet files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from feedrate.loaders.base import Schema, Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.raw import split_of_parquet
from feedrate.loaders.parquet.stored import read_footer
from feedrate.loaders.stores.filesystems import REQUESTS
from feedrate.loaders.stores.store_path import StorePath, path_of
from feedrate.loaders.stores.stored_object import forget_opened


@dataclass(frozen=True, slots=True, kw_only=True)
class _SplitInfo:
    rows: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Info:
    """The part of dataset.json that is needed here."""

    schema: Schema
    splits: Mapping[str, _SplitInfo]


def read_split(path: Path | str, *, split: str = "train", label: str = "") -> Split:
    """Describe the Parquet files at `path`, from their metadata alone.

    path: a folder written by `feedrate prepare`, here or in an object store (s3://BUCKET/DATA), any folder of Parquet files, or one Parquet file.
    split: which split of a prepared folder to use. label: name of the label column of other Parquet files.
    Raises FeedrateError if there is nothing to read, a file is incomplete, or the kind of a column is unclear.
    """
    path = path_of(path)
    description = path / "dataset.json"
    if not description.is_file():
        if isinstance(path, StorePath):
            raise FeedrateError(f"{path} has no dataset.json: write one there with `feedrate prepare ... -o {path}`")
        return split_of_parquet(path, label)
    try:
        info = msgspec.json.decode(description.read_bytes(), type=_Info)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FeedrateError(
            f"{description} cannot be read ({error}): prepare it again with `feedrate prepare --overwrite`"
        ) from error
    if split not in info.splits:
        raise FeedrateError(f"{path} has no split {split!r}: choose from {', '.join(info.splits)}")
    split_info = info.splits[split]
    forget_opened(path)
    files = tuple(path / split / file for file in split_info.files)
    footers(files)
    return Split(files=files, rows=split_info.rows, schema=info.schema)


def footers(files: Sequence[Path]) -> None:
    """Read the metadata of files, of many at a time if they are in an object store. Raises FeedrateError as footer() does."""
    if not files or not isinstance(files[0], StorePath):
        for file in files:
            footer(file)
        return
    with ThreadPoolExecutor(REQUESTS) as pool:
        for _ in pool.map(footer, files):
            pass


def footer(file: Path) -> pq.FileMetaData:
    """Read a Parquet file's metadata. Raises FeedrateError if the file is missing, truncated or not Parquet."""
    try:
        return read_footer(file)
    except (OSError, pa.ArrowException) as error:
        raise FeedrateError(
            f"{file} cannot be read as Parquet ({error}): write or copy it again, or prepare the folder again"
        ) from error
