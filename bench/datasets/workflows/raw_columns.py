"""How the columns of a user's tables are handed to NVTabular: under which names and in which types, and which of them it cannot take.

NVTabular gets the files' own values wherever it does nothing wrong with their type. Others become an equal type, and that is said.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.types as types

from feedrate.bench.datasets.tables.categories import keys
from feedrate.bench.datasets.tables.facts import floats
from feedrate.bench.datasets.tables.first_pass import numbers
from feedrate.bench.datasets.tables.fitted import FittedColumn
from feedrate.bench.datasets.tables.numbers import NumberSteps
from feedrate.loaders.parquet.arrow_types import BYTES, TEXT, converted

Form = Literal["integers", "text", "hexadecimal text", "numbers"]
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
"""Names that NVTabular can write to a file of that name, among other characters of it."""
_TAKEN_NAMES = ("order", "labels")
"""Names of columns that Categorify adds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawColumn:
    """A column that NVTabular works on."""

    column: FittedColumn
    name: str
    """Its name for NVTabular."""
    read_as: pa.DataType
    form: Form

    def values(self, table: pa.Table) -> pa.Array:
        """Return the values of a chunk in the type that NVTabular gets. Missing numbers are null."""
        values = converted(table[self.column.name], self.read_as)
        if self.form == "numbers":
            if self.column.kind == "vector":
                return _lists(values, pa.array(floats(values.flatten())))
            return pa.array(numbers(values), from_pandas=True)
        if self.column.kind == "multi-hot":
            return _lists(values, _equal(values.flatten(), self.form))
        return _equal(values, self.form)

    def changes(self) -> Iterator[str]:
        """Yield what NVTabular gets instead of the values and the name."""
        value = self.read_as.value_type if types.is_large_list(self.read_as) else self.read_as
        as_it_is = value == TEXT if self.form == "text" else types.is_integer(value)
        if self.form != "numbers" and not as_it_is:
            yield f"NVTabular gets its values as {self.form}"
        if self.name != self.column.name:
            yield f"NVTabular gets it under the name {self.name}"


def raw_columns(
    columns: Sequence[FittedColumn], read_as: Mapping[str, pa.DataType], missing: Mapping[str, int]
) -> tuple[RawColumn, ...]:
    """Return the columns that NVTabular works on: those with ids by frequency, and numbers that are changed.

    missing: number of missing values by column.
    """
    names = [column.name for column in columns]
    result = []
    for place, column in enumerate(columns):
        if column.categorified:
            form = _form(read_as[column.name], missing=bool(missing[column.name]))
        elif column.kind in ("continuous", "vector") and column.steps != NumberSteps():
            form = "numbers"
        else:
            continue
        name = plain_name(column.name, place, names)
        result.append(RawColumn(column=column, name=name, read_as=read_as[column.name], form=form))
    return tuple(result)


def plain_name(name: str, place: int, names: Collection[str]) -> str:
    """Return the name under which NVTabular gets a column: its own, unless NVTabular would fail for it.

    place: the column's place in the table, for a new name. names: those of all columns.
    """
    if _PLAIN_NAME.fullmatch(name) and name not in _TAKEN_NAMES:
        return name
    new = f"column-{place}"
    while new in names:
        new += "-"
    return new


def unsupported(columns: Sequence[RawColumn], missing: Mapping[str, int], rows: int) -> Iterator[str]:
    """Yield a sentence for everything that NVTabular 23.8 cannot do or does wrong."""
    if not columns:
        yield "--etl nvtabular has nothing to do here, since no column is categorified, filled, clipped or scaled: leave it out"
    for raw in columns:
        name, steps = raw.column.name, raw.column.steps
        instead = f"leave it out with --drop {name}, or use --etl feedrate"
        if raw.column.kind == "multi-hot" and missing[name]:
            yield f"list column {name!r} has {missing[name]} nulls within its lists, which NVTabular takes for rare values: {instead}"
        if raw.column.kind == "multi-hot" and raw.column.buckets:
            yield f"list column {name!r} has hash buckets, and NVTabular cannot hash the values of lists: {instead}"
        if raw.column.kind == "single-hot" and missing[name] == rows:
            yield f"column {name!r} has no value, and NVTabular's Categorify fails for it: {instead}"
        if raw.column.kind == "vector" and (steps.fill, steps.least, steps.greatest) != (None, None, None):
            yield f"vector {name!r} is filled or clipped, which NVTabular cannot do within lists: {instead}"


def _form(kind: pa.DataType, *, missing: bool) -> Form:
    """Return the type that Categorify gets. pandas has no integers with gaps, and for it NaN is missing, so both become text."""
    value = kind.value_type if types.is_large_list(kind) else kind
    if value == BYTES:
        return "hexadecimal text"
    if value == TEXT or types.is_decimal(value) or types.is_floating(value) or types.is_uint64(value) or missing:
        return "text"
    return "integers"


def _equal(values: pa.Array, form: Form) -> pa.Array:
    """Return int64 or text that is equal for two values if and only if the values are one category."""
    import polars as pl

    series = keys(values)
    if form == "hexadecimal text":
        series = series.bin.encode("hex")
    elif form == "text":
        if series.dtype == pl.Float64:
            series = pl.select(pl.when(series == 0).then(0.0).otherwise(series)).to_series()  # -0.0 is 0.0
        series = series.cast(pl.String)
    return series.to_arrow().cast(pa.int64() if form == "integers" else pa.large_string())


def _lists(lists: pa.Array, values: pa.Array) -> pa.Array:
    """Return lists of other values, with an empty list for null."""
    lengths = lists.value_lengths().fill_null(0).to_numpy()
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
