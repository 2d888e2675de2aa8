"""Values of categorified columns: counted over all files, numbered by frequency, and looked up.

Equal values are one category in every file and row group. NaN is a category, -0.0 is 0.0, and null is none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.types as types

from feedrate.loaders.error_text import one_line
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    import polars as pl

MIN_MERGED_ROWS = 1 << 20
"""Rows of new counts that are merged at a time."""
MAX_HASH_BITS = 24
"""Leading bits of a hash that point to its place, in 8 bytes for each of their values."""


def keys(values: pa.Array) -> pl.Series:
    """Return the values as numbers or bytes that are equal if the values are: Int64, UInt64, Float64 or Binary. Null stays null.

    values: of a type that loaders.parquet.arrow_types.meaning() returns.
    """
    import polars as pl

    kind = values.type
    if types.is_large_string(kind):
        values = values.cast(pa.large_binary())
    elif types.is_decimal(kind):
        values = values.cast(pa.string()).cast(pa.large_binary())
    elif types.is_null(kind) or types.is_boolean(kind):
        values = values.cast(pa.int64())
    elif not (types.is_integer(kind) or types.is_floating(kind) or types.is_large_binary(kind)):
        values = values.view(pa.int64()) if kind.bit_width == 64 else values.view(pa.int32()).cast(pa.int64())
    return pl.Series(pl.from_arrow(values))


class CategoryCounts:
    """Counts the values of one column. Its memory grows with the distinct values, not with the rows."""

    def __init__(self) -> None:
        self._merged: pl.DataFrame | None = None
        self._waiting: list[pl.DataFrame] = []

    def add(self, values: pl.Series) -> None:
        """Count the values of a chunk, as keys() returns them. Nulls are not counted."""
        import polars as pl

        counted = (
            values.rename("value").drop_nulls().to_frame().group_by("value").agg(pl.len().cast(pl.Int64).alias("count"))
        )
        self._take([counted])

    def merge(self, other: CategoryCounts) -> None:
        """Add what another one has counted."""
        self._take([*([] if other._merged is None else [other._merged]), *other._waiting])

    def _take(self, counted: list[pl.DataFrame]) -> None:
        self._waiting += counted
        if sum(frame.height for frame in self._waiting) > max(MIN_MERGED_ROWS, self._height):
            self._merge()

    def by_frequency(self) -> pl.DataFrame:
        """Return the columns value and count, the most frequent value first. Equally frequent ones are sorted by value."""
        self._merge()
        if self._merged is None:
            raise ValueError("no values were added")
        return self._merged.sort("count", "value", descending=[True, False])

    @property
    def _height(self) -> int:
        return 0 if self._merged is None else self._merged.height

    def _merge(self) -> None:
        import polars as pl

        parts = [*([] if self._merged is None else [self._merged]), *self._waiting]
        if self._waiting:
            self._merged = pl.concat(parts).group_by("value").agg(pl.col("count").sum())
            self._waiting = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Categories:
    """The ids of a column's values. 0 is for missing, unknown and, without buckets, rare values."""

    values: pl.Series
    """Values with an id of their own, in the order of their ids, which begin at 1."""
    buckets: int = 0
    """Ids after those, which all other values are hashed to. 0: all other values have id 0."""
    _places: Any = None

    @classmethod
    def of(cls, values: pl.Series, *, buckets: int = 0) -> Categories:
        """Make the table in which values are looked up."""
        return cls(
            values=values, buckets=buckets, _places=_Numbers(values) if values.dtype.is_numeric() else _Bytes(values)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out the places: Polars hashes otherwise on another processor, or in another version."""
        return _categories, (self.values, self.buckets)

    @property
    def cardinality(self) -> int:
        """Number of ids, with id 0."""
        return 1 + len(self.values) + self.buckets

    def ids(self, values: pl.Series) -> np.ndarray:
        """Return the id of each value, int32 [B]. values: as keys() returns them."""
        ids: np.ndarray = self._places.find(values)
        if self.buckets:
            ids = self._hashed(values, ids)
        return ids

    def write(self, file: Path) -> None:
        """Write the values as Parquet, in the order of their ids."""
        self.values.rename("value").to_frame().write_parquet(file)

    @classmethod
    def read(cls, file: Path, *, buckets: int) -> Categories:
        """Read what write() wrote. Raises FeedrateError if the file is damaged."""
        import polars as pl

        try:
            values = pl.read_parquet(file, glob=False)["value"]
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise FeedrateError(
                f"{file} cannot be read ({one_line(str(error), 120)}): prepare that dataset again with --overwrite"
            ) from error
        return cls.of(values, buckets=buckets)

    def _hashed(self, values: pl.Series, ids: np.ndarray) -> np.ndarray:
        """Give the values without an id that of their bucket."""
        others = (ids == 0) & ~values.is_null().to_numpy()
        if others.any():
            unknown = values.filter(others)
            distinct = unknown.unique()
            numbers = np.array([bucket(value, self.buckets) for value in distinct], np.int32)
            ids = ids.copy()
            ids[others] = 1 + len(self.values) + numbers[Categories.of(distinct).ids(unknown) - 1]
        return ids


def _categories(values: pl.Series, buckets: int) -> Categories:
    return Categories.of(values, buckets=buckets)


def bucket(value: Any, buckets: int) -> int:
    """Return the bucket of a value, 0 up to `buckets`: BLAKE2b of its bytes, or of its decimal digits, modulo the buckets.

    It is the same on every machine and in every version.
    """
    content = value if isinstance(value, bytes) else repr(value + 0).encode()  # -0.0 is 0.0
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") % buckets


class _Numbers:
    """Finds numbers in a sorted table. NaN is sorted last and equals itself."""

    def __init__(self, values: pl.Series) -> None:
        array = values.to_numpy()
        order = np.argsort(array, kind="stable")
        self._sorted, self._ids = array[order], (order + 1).astype(np.int32)
        self._dtype = values.dtype

    def find(self, values: pl.Series) -> np.ndarray:
        ids = np.zeros(len(values), np.int32)
        if not len(self._sorted):
            return ids
        known = ~values.is_null().to_numpy()
        wanted = values.filter(known).cast(self._dtype, strict=True).to_numpy()
        place = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        same = self._sorted[place] == wanted
        if wanted.dtype.kind == "f":
            same |= np.isnan(self._sorted[place]) & np.isnan(wanted)
        ids[known] = np.where(same, self._ids[place], 0)
        return ids


class _Bytes:
    """Finds bytes by a hash of 64 bits, and compares the bytes themselves, so that equal hashes do no harm."""

    def __init__(self, values: pl.Series) -> None:
        self._values = values
        hashes = values.hash().to_numpy()
        order = np.argsort(hashes, kind="stable")
        self._sorted, self._order = hashes[order], order
        bits = min(len(hashes).bit_length() + 1, MAX_HASH_BITS)
        self._shift = np.uint64(64 - bits)
        ends = np.cumsum(np.bincount((self._sorted >> self._shift).astype(np.int64), minlength=1 << bits))
        self._starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        """Place of the first hash for each value of its leading bits: a step or two from the wanted one."""
        self._most = int(np.unique(hashes, return_counts=True)[1].max(initial=0))
        """Most values with one hash: 1, but for collisions."""

    def find(self, values: pl.Series) -> np.ndarray:
        ids = np.zeros(len(values), np.int32)
        if not len(self._sorted):
            return ids
        known = ~values.is_null().to_numpy()
        wanted = values.filter(known)
        first = self._first_places(wanted.hash().to_numpy())
        result = np.zeros(len(wanted), np.int32)
        for step in range(self._most):
            place = self._order[np.minimum(first + step, len(self._sorted) - 1)]
            same = (self._values.gather(place) == wanted).to_numpy()
            result[same] = place[same] + 1
        ids[known] = result
        return ids

    def _first_places(self, hashes: np.ndarray) -> np.ndarray:
        """Return what np.searchsorted() returns, with fewer reads of distant memory."""
        places = self._starts[(hashes >> self._shift).astype(np.int64)]
        late = np.flatnonzero(self._less(places, hashes))
        while len(late):
            places[late] += 1
            late = late[self._less(places[late], hashes[late])]
        return places

    def _less(self, places: np.ndarray, hashes: np.ndarray) -> np.ndarray:
        """Whether the hash at a place is less than the wanted one. No place is beyond the last."""
        last = len(self._sorted) - 1
        less: np.ndarray = (self._sorted[np.minimum(places, last)] < hashes) & (places <= last)
        return less
