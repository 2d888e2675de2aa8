"""A user's own Parquet to the canonical folder: kinds declared or inferred, ids kept or categorified, every value checked.

Two passes, a chunk of rows at a time: the first checks and counts, the second writes. Rows keep the order of the files.
Which of them are for validation is drawn at random from the seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feedrate.bench.datasets.canonical import Dataset, new_dataset, read_dataset
from feedrate.bench.datasets.options import DEFAULTS, PrepareOptions
from feedrate.bench.datasets.parquet_checks import as_floats, check_values, flat_values
from feedrate.bench.datasets.parquet_columns import Columns
from feedrate.bench.datasets.parquet_files import common_schema, find_files, open_file, read_chunks
from feedrate.loaders.base import Categorical, Schema
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class Seen:
    """What the first pass learns of a categorical column."""

    largest: int = -1
    counts: dict[Any, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAndSplit:
    """How labels are made binary and which share of the rows is for validation. Raises FeedrateError for an invalid value."""

    valid_fraction: float = 0.2
    label_above: float | None = None
    """The label is 1 if the column is above this. None: the column is 0 or 1 already."""

    def __post_init__(self) -> None:
        if not 0 < self.valid_fraction < 1:
            raise FeedrateError(f"--valid-fraction is {self.valid_fraction}, but must be between 0 and 1")
        if self.label_above is not None and not isfinite(self.label_above):
            raise FeedrateError(f"--label-above is {self.label_above:g}, but must be a finite number")


def prepare_parquet(
    path: Path,
    folder: Path,
    columns: Columns,
    options: PrepareOptions = DEFAULTS,
    how: LabelAndSplit = LabelAndSplit(),
) -> Dataset:
    """Write the files at `path` to `folder`. Progress counts rows over both passes.

    Raises FeedrateError for every value that no loader could use.
    """
    import pyarrow as pa

    files = find_files(path)
    common_schema(files)
    rows = sum(open_file(file).metadata.num_rows for file in files)
    if not rows:
        raise FeedrateError(f"{path} has no rows")
    seen = _first_pass(files, columns, how.label_above, options, 2 * rows)
    values = {name: _by_frequency(seen[name].counts) for name in columns.categorify}
    schema = _schema(columns, seen, values)
    rng = np.random.default_rng(options.seed)
    done = rows
    with new_dataset(folder, schema, options) as writer:
        for _, chunk in read_chunks(files, list(columns.kinds())):
            table = _convert(chunk, columns, values, how.label_above)
            valid = rng.random(table.num_rows) < how.valid_fraction
            writer.add("train", table.filter(pa.array(~valid)))
            writer.add("valid", table.filter(pa.array(valid)))
            done += table.num_rows
            options.progress(done, 2 * rows)
        names = [file.name for file in files]
        writer.finish(path.stem, {"source": "parquet", "files": names, "rows": rows, "seed": options.seed})
    return read_dataset(folder)


def _first_pass(
    files: Sequence[Path], columns: Columns, label_above: float | None, options: PrepareOptions, total: int
) -> dict[str, Seen]:
    """Check every value, and count what categorical columns hold."""
    seen = {name: Seen() for name in (*columns.single_hot, *columns.multi_hot)}
    done = 0
    for file, table in read_chunks(files, list(columns.kinds())):
        check_values(file, table, columns, label_above)
        for name, column in seen.items():
            _count(table[name], column, categorify=name in columns.categorify)
        done += table.num_rows
        options.progress(done, total)
    return seen


def _count(column: pa.ChunkedArray, seen: Seen, *, categorify: bool) -> None:
    import pyarrow.compute as pc

    values = flat_values(column)
    if not categorify:
        largest = pc.max(values).as_py()
        seen.largest = max(seen.largest, -1 if largest is None else largest)
        return
    for item in pc.value_counts(values.drop_null()).to_pylist():
        seen.counts[item["values"]] = seen.counts.get(item["values"], 0) + item["counts"]


def _by_frequency(counts: Mapping[Any, int]) -> list[Any]:
    return sorted(counts, key=lambda value: (-counts[value], value))


def _schema(columns: Columns, seen: Mapping[str, Seen], values: Mapping[str, list[Any]]) -> Schema:
    def categorical(name: str) -> Categorical:
        cardinality = len(values[name]) + 1 if name in values else seen[name].largest + 1
        return Categorical(name=name, cardinality=max(cardinality, 1))

    return Schema(
        single_hot=tuple(categorical(name) for name in columns.single_hot),
        multi_hot=tuple(categorical(name) for name in columns.multi_hot),
        continuous=columns.continuous,
        label=columns.label,
    )


def _convert(table: pa.Table, columns: Columns, values: Mapping[str, list[Any]], label_above: float | None) -> pa.Table:
    """The columns as the canonical folder has them. values: of each categorified column, in the order of its ids, from id 1."""
    import pyarrow as pa

    converted: dict[str, Any] = {}
    for name in columns.single_hot:
        converted[name] = _ids(flat_values(table[name]), values.get(name))
    for name in columns.multi_hot:
        lists = table[name].combine_chunks()
        lists = lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists
        offsets = np.concatenate([[0], np.cumsum(lists.value_lengths().to_numpy())])
        ids = _ids(lists.flatten(), values.get(name))
        converted[name] = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), ids)
    for name in columns.continuous:
        converted[name] = as_floats(table[name]).astype(np.float32)
    label = as_floats(table[columns.label])
    converted[columns.label] = (label if label_above is None else label > label_above).astype(np.float32)
    return pa.table(converted)


def _ids(column: Any, values: list[Any] | None) -> Any:
    """int32 ids; null becomes 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if values is None:
        return pc.fill_null(column, 0).cast(pa.int32())
    places = pc.index_in(column, value_set=pa.array(values, column.type), skip_nulls=True)
    return pc.add(pc.fill_null(places, -1), 1).cast(pa.int32())
