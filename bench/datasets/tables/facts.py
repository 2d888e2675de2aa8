"""What the first pass over the files learns of each column. It changes no value and raises for none: others decide.

Each chunk of rows has facts of its own, which are merged in the order of the files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types

from feedrate.bench.datasets.tables.categories import CategoryCounts, keys
from feedrate.bench.datasets.tables.numbers import MAX_FLOAT32, Moments, NumberSpool, NumberSteps
from feedrate.loaders.parquet.arrow_types import BYTES, TEXT

MAX_USED_IDS = 1 << 27
"""Ids below this are marked when they occur, in one byte each. A table for more than that fits nowhere anyway."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding about a column: how often it occurs, in which file first, and the first such value."""

    count: int
    file: Path
    value: str = ""


@dataclass(slots=True)
class Facts:
    """What is known of a column after the first pass. Which parts are gathered depends on its kind."""

    rows: int = 0
    least: int | float | None = None
    greatest: int | float | None = None
    found: dict[str, Found] = field(default_factory=dict)
    """By name: missing, nan, infinite, too small, negative, unfit, not utf-8, missing lists, not 0 or 1, log."""
    lengths: tuple[int, int] | None = None
    """Shortest and longest list."""
    counts: CategoryCounts | None = None
    ids: np.ndarray | None = None
    """The different ids of a chunk, if they are below MAX_USED_IDS."""
    used: np.ndarray | None = None
    """Which ids below MAX_USED_IDS occur in all chunks, bool."""
    moments: Moments = field(default_factory=Moments)
    """Of clipped values with their logarithm taken, without missing ones."""
    raw: Moments = field(default_factory=Moments)
    """Of the values as they are, without missing ones."""
    values: list[np.ndarray] | None = None
    """The finite values of a chunk, if the column's median is wanted."""
    spool: NumberSpool | None = None
    """Those of all chunks."""

    def merge(self, other: Facts) -> None:
        """Add what is known of the next chunk."""
        self.rows += other.rows
        for what, found in other.found.items():
            self.note(what, found.count, found.file, found.value)
        if other.lengths is not None:
            low, high = self.lengths or other.lengths
            self.lengths = min(low, other.lengths[0]), max(high, other.lengths[1])
        if other.least is not None and other.greatest is not None:
            _bounds(self, other.least, other.greatest)
        if other.ids is not None:
            self._mark(other.ids)
        if other.counts is not None:
            self.counts = self.counts or CategoryCounts()
            self.counts.merge(other.counts)
        self.moments.merge(other.moments)
        self.raw.merge(other.raw)
        for values in other.values or ():
            self.spool = self.spool or NumberSpool()
            self.spool.add(values)

    def _mark(self, ids: np.ndarray) -> None:
        size = int(ids.max()) + 1 if len(ids) else 0
        if self.used is None or len(self.used) < size:
            used = np.zeros(size, bool)
            if self.used is not None:
                used[: len(self.used)] = self.used
            self.used = used
        self.used[ids] = True

    def note(self, what: str, count: int, file: Path, value: object = "") -> None:
        """Add to what was found. The first file and value stay."""
        if count:
            known = self.found.get(what)
            self.found[what] = (
                Found(known.count + count, known.file, known.value) if known else Found(count, file, str(value))
            )

    def count_of(self, what: str) -> int:
        """Return how many were found."""
        return self.found[what].count if what in self.found else 0

    @property
    def used_ids(self) -> int | None:
        """Number of different ids; None if they were not marked."""
        return None if self.used is None else int(np.count_nonzero(self.used))


def look_at_numbers(facts: Facts, values: np.ndarray, missing: int, steps: NumberSteps, file: Path) -> None:
    """Add float64 [B], NaN for what is missing. missing: nulls among them."""
    facts.rows += len(values)
    nan = np.isnan(values)
    present = values[~nan]
    facts.note("missing", missing, file)
    facts.note("nan", int(nan.sum()) - missing, file)
    if not len(present):
        return
    clipped = steps.clipped(present)
    unfit = clipped <= -1 if steps.log1p else np.zeros(len(present), bool)
    if unfit.any():
        facts.note("log", int(unfit.sum()), file, f"{present[unfit][0]:g}")
    shaped = steps.shaped(present[~unfit])
    outside = ~(np.abs(shaped) <= MAX_FLOAT32)
    if outside.any():
        facts.note("infinite", int(outside.sum()), file, f"{present[~unfit][outside][0]:g}")
        shaped = shaped[~outside]
    small = (shaped != 0) & (shaped.astype(np.float32) == 0)
    if small.any():
        facts.note("too small", int(small.sum()), file, f"{shaped[small][0]:g}")
    facts.moments.add(shaped)
    finite = present[np.isfinite(present)]
    facts.raw.add(finite)
    _bounds(facts, float(present.min()), float(present.max()))
    if facts.values is not None:
        facts.values.append(finite)


def look_at_label(facts: Facts, values: np.ndarray, label_above: float | None, file: Path) -> None:
    """Add float64 [B] of the label, NaN for what is missing."""
    present = values[~np.isnan(values)]
    facts.note("missing", len(values) - len(present), file)
    facts.rows += len(values)
    if label_above is None:
        other = ~np.isin(present, (0, 1))
        if other.any():
            facts.note("not 0 or 1", int(other.sum()), file, f"{present[other][0]:g}")


def look_at_ids(facts: Facts, values: pa.Array, file: Path) -> None:
    """Add integers that may be ids as they are."""
    facts.rows += len(values)
    facts.note("missing", values.null_count, file)
    least, greatest = pc.min_max(values).as_py().values()
    if least is None:
        return
    _bounds(facts, least, greatest)
    if least < 0:
        facts.note("negative", pc.sum(pc.less(values, 0)).as_py(), file, least)
    elif greatest < MAX_USED_IDS:
        facts.ids = pc.unique(values.drop_null()).to_numpy()


def look_at_categories(facts: Facts, values: pa.Array, file: Path) -> None:
    """Count values that become ids."""
    facts.rows += len(values)
    facts.note("missing", values.null_count, file)
    if types.is_floating(values.type):
        facts.note("nan", pc.sum(pc.is_nan(values)).as_py() or 0, file)
    if values.type == BYTES and not is_utf8(values):
        facts.note("not utf-8", 1, file)
    facts.counts = facts.counts or CategoryCounts()
    facts.counts.add(keys(values))


def look_at_lists(facts: Facts, lists: pa.Array, file: Path) -> pa.Array:
    """Add the lengths of large_lists, and return their values."""
    facts.note("missing lists", lists.null_count, file)
    lengths = pc.min_max(pc.list_value_length(lists)).as_py()
    if lengths["min"] is not None:
        facts.lengths = lengths["min"], lengths["max"]
    return lists.flatten()


def is_utf8(values: pa.Array) -> bool:
    """Whether all bytes are text."""
    try:
        values.cast(TEXT)
    except pa.ArrowInvalid:
        return False
    return True


def floats(values: pa.Array) -> np.ndarray:
    """Return float64 [B], NaN for null."""
    array: np.ndarray = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return array


def _bounds(facts: Facts, least: float, greatest: float) -> None:
    facts.least = least if facts.least is None else min(facts.least, least)
    facts.greatest = greatest if facts.greatest is None else max(facts.greatest, greatest)
