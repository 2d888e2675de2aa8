"""What was learned from the files: the ids of every value and the numbers that fill and scale. It can be applied to new files.

It lies in DATA/fitted: fitted.json, columns.arrow (the columns' types) and the categories of each categorified column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.types as types

from feedrate.bench.datasets.tables.categories import Categories, keys
from feedrate.bench.datasets.tables.choose import Choice
from feedrate.bench.datasets.tables.declared import Kind, Transforms
from feedrate.bench.datasets.tables.facts import floats
from feedrate.bench.datasets.tables.first_pass import numbers
from feedrate.bench.datasets.tables.numbers import NumberSteps
from feedrate.bench.results import compressed
from feedrate.loaders.base import Categorical, Schema
from feedrate.loaders.errors import FeedrateError, repeated
from feedrate.loaders.parquet.arrow_types import BYTES, TEXT, converted

MAX_BYTES = 100_000_000
"""Largest description of fitted columns. It has about 100 bytes a column."""
FOLDER = "fitted"
"""Folder of a dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedColumn:
    """How a column is converted."""

    name: str
    kind: Kind
    categorified: bool = False
    cardinality: int = 0
    """Number of ids of a categorical column, with id 0."""
    buckets: int = 0
    steps: NumberSteps = NumberSteps()
    """Of continuous columns, vectors and the label. The fill is also that of ids."""
    fill_empty: bool = False
    """Whether null lists become empty lists."""
    width: int = 0
    """Numbers in each list of a vector."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the dataset: a vector has one for each place."""
        if self.kind != "vector":
            return (self.name,)
        return tuple(f"{self.name}.{place}" for place in range(self.width))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Everything that the second pass needs."""

    columns: tuple[FittedColumn, ...]
    read_as: Mapping[str, pa.DataType]
    """The meaning in which each column is read."""
    label_above: float | None
    categories: Mapping[str, Categories] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        """The dataset's schema. Raises FeedrateError if two columns have one name."""
        names = [name for column in self.columns for name in column.names]
        if twice := repeated(names):
            raise FeedrateError(f"a vector's place and another column are both called {twice[0]!r}: rename the column")
        by_kind = {kind: [c for c in self.columns if c.kind == kind] for kind in ("single-hot", "multi-hot")}
        single, multi = (
            tuple(Categorical(name=column.name, cardinality=column.cardinality) for column in by_kind[kind])
            for kind in ("single-hot", "multi-hot")
        )
        dense = tuple(name for c in self.columns if c.kind in ("continuous", "vector") for name in c.names)
        return Schema(single_hot=single, multi_hot=multi, continuous=dense, label=self.label.name)

    @property
    def label(self) -> FittedColumn:
        """The label's column."""
        return next(column for column in self.columns if column.kind == "label")

    @property
    def texts(self) -> frozenset[str]:
        """The columns that are read as text or bytes."""
        return frozenset(name for name, kind in self.read_as.items() if kind in (TEXT, BYTES))

    @property
    def choices(self) -> dict[str, Choice]:
        """The columns as the first pass over new files takes them."""
        return {
            column.name: Choice(
                name=column.name,
                kind=column.kind,
                read_as=self.read_as[column.name],
                categorify=column.categorified,
                declared=True,
                stored=str(self.read_as[column.name]),
            )
            for column in self.columns
        }

    @property
    def transforms(self) -> Transforms:
        """The transforms as the first pass over new files takes them."""
        steps = {column.name: column.steps for column in self.columns}
        return Transforms(
            fill={
                **{name: step.fill for name, step in steps.items() if step.fill is not None},
                **{column.name: "empty" for column in self.columns if column.fill_empty},
            },
            clip={
                name: (step.least, step.greatest)
                for name, step in steps.items()
                if step.least is not None or step.greatest is not None
            },
            log1p=tuple(name for name, step in steps.items() if step.log1p),
        )

    def convert(self, table: pa.Table) -> tuple[pa.Table, dict[str, int]]:
        """Return a chunk as the canonical folder has it, and how many values of each column are unknown to its categories.

        table: the columns as stored, which the first pass accepted.
        """
        arrays: dict[str, pa.Array | np.ndarray] = {}
        unknown: dict[str, int] = {}
        for column in self.columns:
            values = converted(table[column.name], self.read_as[column.name])
            if column.kind in ("single-hot", "multi-hot"):
                arrays[column.name], unknown[column.name] = self._ids(column, values)
            elif column.kind == "vector":
                places = column.steps.apply(floats(values.flatten())).reshape(-1, column.width)
                arrays.update(zip(column.names, np.ascontiguousarray(places.T, np.float32), strict=True))
            else:
                arrays[column.name] = self._numbers(column, values).astype(np.float32)
        return pa.table(arrays), {name: count for name, count in unknown.items() if count}

    def _numbers(self, column: FittedColumn, values: pa.Array) -> np.ndarray:
        array = column.steps.apply(numbers(values))
        above = self.label_above if column.kind == "label" else None
        return array if above is None else array > above

    def _ids(self, column: FittedColumn, values: pa.Array) -> tuple[pa.Array, int]:
        """Return int32 ids or lists of them, and the number of unknown values."""
        if not types.is_large_list(values.type):
            return self._flat_ids(column, values)
        lengths = values.value_lengths().fill_null(0).to_numpy()
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        ids, unknown = self._flat_ids(column, values.flatten())
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), ids), unknown

    def _flat_ids(self, column: FittedColumn, values: pa.Array) -> tuple[pa.Array, int]:
        if not column.categorified:
            filled = values if column.steps.fill is None else values.fill_null(int(column.steps.fill))
            return filled.cast(pa.int32()), 0
        series = keys(values)
        ids = self.categories[column.name].ids(series)
        return pa.array(ids), int(np.count_nonzero(ids == 0)) - values.null_count


def write_fitted(fitted: Fitted, dataset: Path) -> None:
    """Write it to the folder of a dataset."""
    folder = dataset / FOLDER
    folder.mkdir()
    schema = pa.schema(list(fitted.read_as.items()))
    (folder / "columns.arrow").write_bytes(schema.serialize().to_pybytes())
    for number, column in enumerate(fitted.columns):
        if column.categorified:
            fitted.categories[column.name].write(folder / _file(number))
    content = {"label_above": fitted.label_above, "columns": fitted.columns}
    (folder / "fitted.json").write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


def read_fitted(dataset: Path) -> Fitted:
    """Read what write_fitted() wrote. Raises FeedrateError if the dataset has none, or if it is damaged."""
    folder = dataset / FOLDER
    if not dataset.is_dir():
        raise FeedrateError(f"--like {dataset}: there is no such folder")
    if (dataset / "workflow").is_dir():
        raise FeedrateError(
            f"{dataset} was prepared with --etl nvtabular, whose fitted workflow is in its folder: --like cannot apply that"
        )
    if not (folder / "fitted.json").is_file():
        raise FeedrateError(
            f"{dataset} has no {FOLDER}/fitted.json: --like takes a folder that `feedrate prepare parquet` wrote"
        )
    try:
        content = msgspec.json.decode(_content(folder / "fitted.json"), type=_Content)
        schema = _schema(_content(folder / "columns.arrow"))
        categories = {
            column.name: Categories.read(folder / _file(number), buckets=column.buckets)
            for number, column in enumerate(content.columns)
            if column.categorified
        }
    except (*compressed.UNREADABLE, pa.ArrowException) as error:
        raise FeedrateError(f"{folder} cannot be read ({error}): prepare {dataset} again") from error
    read_as = dict(zip(schema.names, schema.types, strict=True))
    return Fitted(columns=content.columns, read_as=read_as, label_above=content.label_above, categories=categories)


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    label_above: float | None
    columns: tuple[FittedColumn, ...]


def _file(number: int) -> str:
    return f"categories-{number:04}.parquet"


def _content(file: Path) -> bytes:
    """Read a file. Raises FeedrateError if it is far larger than any that prepare writes."""
    if (size := file.stat().st_size) > MAX_BYTES:
        raise FeedrateError(
            f"{file} has {size / 1e6:,.0f} MB, over the limit of {MAX_BYTES / 1e6:,.0f} MB: prepare it again"
        )
    return compressed.read_bytes(file)


def _schema(content: bytes) -> pa.Schema:
    """Read a schema in Arrow's stream format. Arrow would allocate whatever length a damaged message declares."""
    length = int.from_bytes(content[4:8], "little", signed=True)  # after the continuation marker
    if not 0 < length <= len(content):
        raise pa.ArrowInvalid(f"the schema declares {length:,} bytes, but the file has {len(content):,}")
    return pa.ipc.read_schema(pa.py_buffer(content))
