"""What a split's rows are, for the check of timed epochs: the hash of every row, and the sum of every column's words.

The hashes lie sorted in DATA/row_hashes/SPLIT.i64, which is mapped into memory and searched. `prepare` writes them. A
dataset that was prepared without them gets them once, beside its splits or, if it is read-only, in the user's cache.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from feedrate.bench.results import compressed
from feedrate.loaders.base import Schema, Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.stores.store_path import StorePath

FOLDER = "row_hashes"
"""Folder of a dataset that holds the indices of its splits."""
FORMER_LABEL = "the label"
"""Key of the label's sum in files that were written before it was the name of the label's column."""
BLOCK_ROWS = 1 << 18
"""Rows that are hashed at a time."""


class RowIndexInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The file SPLIT.json beside the hashes."""

    rows: int
    digest: str
    """Sum of the row hashes, as in dataset.json."""
    word_sums: Mapping[str, int]
    """Sum of each column's 4-byte words modulo 2^64, by name. A bag's words are its values. See consumer/reading.py.

    The label's sum is under its column's name. In older files it is under FORMER_LABEL.
    """


@dataclass(frozen=True, slots=True)
class RowIndex:
    """The row hashes of a split, sorted, and the sums of its columns."""

    hashes: np.ndarray
    """int64 [rows], ascending, mapped from the file."""
    word_sums: tuple[int, ...]
    """Sum of each column's 4-byte words modulo 2^64, in the order of Schema.columns."""

    def occurrences(self, hashes: np.ndarray) -> np.ndarray:
        """Return how many rows of the split have each of these hashes, which must be sorted: int64 [K]."""
        after = np.searchsorted(self.hashes, hashes, "right")
        return after - np.searchsorted(self.hashes, hashes, "left")


def row_index(folder: Path, name: str, split: Split, *, digest: str, fingerprint: str) -> RowIndex:
    """Return the index of a split, and make it first if the dataset was prepared without one.

    folder: of the dataset. name: of the split. digest, fingerprint: the split's and the dataset's, from dataset.json.
    Raises FeedrateError if the files of the split are not those that dataset.json describes.
    """
    places: tuple[Path, ...] = (folder / FOLDER, _cache() / fingerprint)
    if isinstance(folder, StorePath):
        places = places[1:]
        if _read(places[0] / name, split, digest) is None:
            _copy_out(folder / FOLDER, places[0], name)
    for place in places:
        index = _read(place / name, split, digest)
        if index is not None:
            return index
    for place in places:
        try:
            _make(place, name, split, digest)
        except OSError as error:  # read-only or full: the next place may do
            failure = f"{place / name}.i64 cannot be written ({error.strerror})"
            continue
        index = _read(place / name, split, digest)
        if index is not None:
            return index
        failure = f"{place / name}.i64 was just written and cannot be read"
    raise FeedrateError(f"{failure}: the hashes of the rows need {8 * split.rows / 1e6:,.0f} MB of disk")


def _copy_out(stored: StorePath, place: Path, name: str) -> None:
    """Copy the index of a dataset in an object store, which is mapped into memory. Nothing happens if there is none."""
    from feedrate.loaders.stores.attempts import MissingFile
    from feedrate.loaders.stores.copying import download

    try:
        place.mkdir(parents=True, exist_ok=True)
        for suffix in (".i64", ".json"):
            download(stored / f"{name}{suffix}", place / f"{name}{suffix}")
    except (MissingFile, OSError):  # it is made from the rows, which says what is wrong with the disk
        return


class RowIndexWriter:
    """Writes the index of a split while its rows pass by. The files are whole, under their names, after close()."""

    def __init__(self, path: Path, schema: Schema) -> None:
        """path: of the index without a suffix."""
        self._path = path
        self._hashes: IO[bytes] | None = None
        self._sums = dict.fromkeys(schema.columns, 0)

    def add(self, hashes: np.ndarray, word_sums: Sequence[int]) -> None:
        """Take the hashes of the next rows, int64 [B], and the word sum of each of their columns."""
        if self._hashes is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._hashes = self._partial.open("wb")
        self._hashes.write(hashes.astype("<i8", copy=False).tobytes())
        for name, words in zip(self._sums, word_sums, strict=True):
            self._sums[name] = (self._sums[name] + words) % 2**64

    def close(self, digest: str) -> None:
        """Sort the hashes and move the files into place. digest: sum of the hashes. Does nothing for no rows."""
        if self._hashes is None:
            return
        self._hashes.close()
        self._hashes = None
        hashes = np.memmap(self._partial, dtype="<i8", mode="r+")
        hashes.sort()
        hashes.flush()
        info = RowIndexInfo(rows=len(hashes), digest=digest, word_sums=self._sums)
        del hashes
        self._partial.replace(self._path.with_suffix(".i64"))
        partial = self._path.with_suffix(f".json.{os.getpid()}")
        partial.write_bytes(msgspec.json.encode(info))
        partial.replace(self._path.with_suffix(".json"))

    @property
    def _partial(self) -> Path:
        return self._path.with_suffix(f".partial-{os.getpid()}")


def _read(path: Path, split: Split, digest: str) -> RowIndex | None:
    """Return the index; None if it does not exist, belongs to other rows or lacks the sum of a column."""
    file = path.with_suffix(".i64")
    try:
        info = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=RowIndexInfo)
        if (info.rows, info.digest) != (split.rows, digest) or file.stat().st_size != 8 * split.rows:
            return None
        sums = _in_order(info.word_sums, split.schema)
        return None if sums is None else RowIndex(np.memmap(file, dtype="<i8", mode="r"), sums)
    except compressed.UNREADABLE:
        return None


def _in_order(sums: Mapping[str, int], schema: Schema) -> tuple[int, ...] | None:
    """Return the sums in the order of the schema; None if one is missing."""
    *features, label = schema.columns
    if label not in sums and FORMER_LABEL not in features:
        label = FORMER_LABEL
    names = (*features, label)
    return tuple(sums[name] for name in names) if all(name in sums for name in names) else None


def _make(place: Path, name: str, split: Split, digest: str) -> None:
    """Hash every row of a split, row group by row group. Raises FeedrateError if they do not sum up to the digest."""
    import pyarrow as pa

    from feedrate.bench.consumer.reading import word_sums
    from feedrate.bench.datasets.rows.checksum import RowSum
    from feedrate.loaders.parquet.columns import columns_of_table
    from feedrate.loaders.parquet.stored import open_parquet

    total, writer = RowSum(), RowIndexWriter(place / name, split.schema)
    for file in split.files:
        with open_parquet(file) as parquet:
            for group in parquet.iter_batches(BLOCK_ROWS, columns=list(split.schema.columns)):
                columns = columns_of_table(pa.Table.from_batches([group]), split.schema)
                batch = columns.slice(0, columns.rows)
                writer.add(total.add(batch).numpy(), word_sums(batch))
    if total.result().digest != digest:
        raise FeedrateError(
            f"the files of {split.files[0].parent} are not the ones that dataset.json describes: prepare it again"
        )
    writer.close(digest)


def _cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("feedrate") / FOLDER
