"""Turns batches of other libraries into feedrate's Batch: columns are matched by name, and nothing is guessed.

Which columns a batch has is compared with the schema once, and again only if its names change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from types import EllipsisType
from typing import Any

import pyarrow as pa
from torch import Size, Tensor, float32

from feedrate.loaders.base import Batch, Schema
from feedrate.loaders.errors import FeedrateError, whole_number
from feedrate.loaders.form import INTEGERS, LABEL, spoken
from feedrate.loaders.parquet.columns import batch_to, columns_of_table
from feedrate.loaders.toolkit.bag_forms import Bag, BagReader
from feedrate.loaders.toolkit.batch_forms import is_arrow, reader_of, require_types, table_of
from feedrate.loaders.toolkit.column_values import refused, to_floats, to_ids

Pads = Mapping[str | None, int | None]
"""The id that fills padded bags, by bag. None as a name stands for all bags. None as an id: no id is padding."""
SUFFIXES = ("__length", "__mask")
"""Names of the columns that say which positions of a padded bag are real, after the bag's name."""
MERLIN = ("__values", "__offsets")
"""Names of the two columns that NVIDIA's Merlin makes of a bag, after its name."""
MAX_NAMES = 8
"""Names of columns that an error lists."""


class BatchConverter:
    """Converts the batches of one loader, which may come in any of the forms that batch_forms knows."""

    def __init__(self, schema: Schema, device: str, *, pads: Pads, ignore: frozenset[str]) -> None:
        """Raises FeedrateError if `pads` or `ignore` name columns that make no sense for the schema."""
        bags = {column.name for column in schema.multi_hot}
        for name in pads:
            if name is not None and name not in bags:
                raise FeedrateError(f"pad_id names {spoken(name)}, which is no multi-hot column of the dataset")
        for name in ignore & set(schema.columns):
            raise FeedrateError(f"ignore names {spoken(name)}, which is a column of the dataset and must be delivered")
        self._schema, self._device, self._ignore = schema, device, ignore
        self._readers: dict[type, Callable[[Any], Mapping[str, Any] | pa.Table]] = {}
        self._names: set[str] | None = None
        """The names of the columns of the last mapping."""
        self._tabular = False
        """Whether its columns are Arrow arrays or series."""
        self._arrow_schema = pa.schema([])
        self._single = [column.name for column in schema.single_hot]
        self._bags = {
            column.name: BagReader(column.name, pads.get(column.name, pads.get(None, ...)) if pads else ...)
            for column in schema.multi_hot
        }
        self._sources: dict[str, tuple[str, ...]] = {}

    def __call__(self, batch: object) -> Batch:
        """Return the batch on the device. Raises FeedrateError for one that does not fit the schema."""
        if type(batch) is not Batch:
            batch = self._converted(batch)
        if self._device != "cpu":
            return batch_to(batch, self._device)
        if not all(tensor.is_cpu for tensor in batch.tensors()):
            return batch.map(Tensor.cpu)
        return batch

    def _converted(self, batch: object) -> Batch:
        read = self._readers.get(type(batch))
        if read is None:
            read = self._readers[type(batch)] = reader_of(batch, self._schema.label)
        columns = read(batch)
        if isinstance(columns, pa.Table):
            return self._of_table(columns)
        if columns.keys() != self._names:
            self._match(columns)
        return self._of_table(table_of(columns, self._schema)) if self._tabular else self._of_columns(columns)

    def _of_table(self, table: pa.Table) -> Batch:
        if not table.schema.equals(self._arrow_schema):
            self._require_names(table.column_names, self._schema.columns)
            require_types(table, self._schema)
            self._arrow_schema = table.schema
        if any(column.num_chunks > 1 for column in table.columns):
            table = table.combine_chunks()
        columns = columns_of_table(table, self._schema)
        return Batch(columns.ids, columns.bags, columns.dense, columns.label)

    def _of_columns(self, columns: Mapping[str, Any]) -> Batch:
        label = to_floats(LABEL, columns[self._schema.label])
        shape = label.shape
        ids, dense = {}, {}
        for name in self._single:
            column = columns[name]
            fits = type(column) is Tensor and column.shape == shape and column.dtype in INTEGERS
            ids[name] = column if fits else _of_rows(name, to_ids(name, column), shape)
        bags = {name: self._bag(name, columns, shape[0]) for name in self._bags}
        for name in self._schema.continuous:
            column = columns[name]
            fits = type(column) is Tensor and column.shape == shape and column.dtype == float32
            dense[name] = column if fits else _of_rows(name, to_floats(spoken(name), column), shape)
        return Batch(ids, bags, dense, label)

    def _bag(self, name: str, columns: Mapping[str, Any], rows: int) -> Bag:
        sources = self._sources[name]
        if len(sources) == 1:
            return self._bags[name].read(columns[name], rows)
        first, second = columns[sources[0]], columns[sources[1]]
        if sources[0] != name:
            return self._bags[name].pair(first, second, rows)
        return self._bags[name].read(first, rows, **{sources[1].rpartition("__")[2]: second})

    def _match(self, columns: Mapping[str, Any]) -> None:
        """Find the columns of each bag, and note the names of the batch if they are right."""
        names = list(columns)
        self._sources = {name: _sources(name, columns) for name in self._bags}
        wanted = [*self._single, *self._schema.continuous, self._schema.label]
        self._require_names(names, [*wanted, *(name for found in self._sources.values() for name in found)])
        self._tabular = any(is_arrow(columns[name]) for name in names if name not in self._ignore)
        self._names = set(names)

    def _require_names(self, names: list[str], wanted: Iterable[str]) -> None:
        expected = list(wanted)
        for name in names:
            if names.count(name) > 1:
                raise refused(f"a batch has {names.count(name)} columns {spoken(name)}: rename one in convert=")
        for name in expected:
            if name not in names:
                raise refused(
                    f"a batch has no column {spoken(name)}, only {_listed(names)}: deliver every column of "
                    "split.schema.columns, or name them in convert="
                )
        for name in names:
            if name not in expected and name not in self._ignore:
                raise refused(
                    f"a batch has the column {spoken(name)}, which the dataset lacks: add it to ignore=, or leave it out "
                    "in convert="
                )


def read_ignore(ignore: object) -> frozenset[str]:
    """Return the names to ignore. Raises FeedrateError unless they are a collection of strings."""
    if isinstance(ignore, str) or not isinstance(ignore, Iterable) or not all(isinstance(name, str) for name in ignore):
        raise FeedrateError(f"ignore is {ignore!r}, but must be a list of column names")
    return frozenset(ignore)


def read_pad_ids(pad_id: object) -> Pads:
    """Return the padding ids by bag. Raises FeedrateError unless `pad_id` is an integer, None, `...` or a mapping of names."""
    if isinstance(pad_id, EllipsisType):
        return {}
    pads = dict(pad_id) if isinstance(pad_id, Mapping) else {None: pad_id}
    for name, value in pads.items():
        if value is not None and not whole_number(value):
            place = "" if name is None else f" for {spoken(name)}"
            raise FeedrateError(
                f"pad_id is {value!r}{place}, but must be an integer, or None if no id of the bags is padding"
            )
    return {name: int(value) if isinstance(value, Integral) else None for name, value in pads.items()}


def _of_rows(name: str, column: Tensor, shape: Size) -> Tensor:
    if column.shape != shape:
        raise refused(f"{spoken(name)} has {column.shape[0]:,} rows, but {LABEL} has {shape[0]:,}")
    return column


def _sources(name: str, columns: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the columns that hold a bag: its own, one beside it, or Merlin's two."""
    merlin = tuple(name + suffix for suffix in MERLIN)
    if name not in columns and all(part in columns for part in merlin):
        return merlin
    return (name, *[name + suffix for suffix in SUFFIXES if name + suffix in columns][:1])


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return (", ".join(spoken(name) for name in names[:MAX_NAMES]) or "none") + more
