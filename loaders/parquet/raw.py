"""Makes a Split of Parquet files that nobody prepared: the type of a column tells its kind.

Files are found, and types agree or are refused, by the rules of `feedrate prepare`. What footers tell is checked here. The
rest is checked in every row group before it is delivered.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from feedrate.loaders.base import Categorical, Schema, Split
from feedrate.loaders.errors import Faults, FeedrateError
from feedrate.loaders.parquet.arrow_types import converted, is_numeric
from feedrate.loaders.parquet.discovery import find_files
from feedrate.loaders.parquet.exact import refuse_nulls, refuse_overflow, refuse_wide
from feedrate.loaders.parquet.open_file import parquet_file, short
from feedrate.loaders.parquet.table_files import Column, Tables, open_tables

PREPARE = "`feedrate prepare parquet`"


def split_of_parquet(path: Path, label: str) -> Split:
    """Describe Parquet files, from their metadata alone.

    Integers are single-hot, lists of integers multi-hot, floats and decimals continuous. An index of pandas' is left out with
    a warning. Raises FeedrateError, with a sentence for each column that cannot be delivered as it is.
    """
    found = find_files([path])
    if found.files[0].format != "parquet":
        raise FeedrateError(f"{found.files[0].path} is not Parquet: convert it with `feedrate prepare csv`")
    tables = open_tables(found)
    if label not in tables.columns:
        raise FeedrateError(f"{path} has no column {label!r}: set label= to one of {', '.join(tables.columns)}")
    schema = _schema(tables, label)
    _check_mixed(tables, schema)
    files = tuple(file for file in tables.files if file.rows)
    for file in files:
        _check_footer(file.data.path, schema)
    return Split(files=tuple(file.data.path for file in files), rows=tables.rows, schema=schema)


def _schema(tables: Tables, label: str) -> Schema:
    kinds: dict[str, list[str]] = {"single-hot": [], "multi-hot": [], "continuous": []}
    faults: list[str] = []
    for name, column in tables.columns.items():
        kind = _kind(column)
        first = next((file.data.path for file in tables.files if name in file.types), "")
        if name in tables.faults:
            faults.append(tables.faults[name])
        elif name == label:
            if not (is_numeric(column.kind or pa.null()) or pa.types.is_boolean(column.kind)):
                faults.append(
                    f"the label, column {name!r} in {first}, is {column.stored}, not a number: write it as 0 and 1"
                )
            elif column.in_folders:
                faults.append(_of_folders(column))
        elif column.index:
            warnings.warn(f"column {name!r} is pandas' index, so it is left out", stacklevel=6)
        elif column.in_folders:
            faults.append(_of_folders(column))
        elif kind is None:
            faults.append(
                f"column {name!r} in {first} is {column.stored}, but must hold integers, lists of integers or numbers: "
                f"make ids of its values, or leave it out, with {PREPARE}"
            )
        else:
            kinds[kind].append(name)
    if faults:
        raise Faults(faults)
    # only a model's tables need cardinalities; reading does not, so they are 0
    single, multi = (
        tuple(Categorical(name=name, cardinality=0) for name in kinds[kind]) for kind in ("single-hot", "multi-hot")
    )
    return Schema(single_hot=single, multi_hot=multi, continuous=tuple(kinds["continuous"]), label=label)


def _kind(column: Column) -> str | None:
    kind = column.kind
    if kind is None:
        return None
    if pa.types.is_integer(kind):
        return "single-hot"
    if is_numeric(kind):
        return "continuous"
    ints = pa.types.is_large_list(kind) and (pa.types.is_integer(kind.value_type) or pa.types.is_null(kind.value_type))
    return "multi-hot" if ints else None


def _of_folders(column: Column) -> str:
    return (
        f"column {column.name!r} stands in the names of folders only, where no loader reads it: bring it into the rows "
        f"with {PREPARE}, or name a single folder"
    )


def _check_mixed(tables: Tables, schema: Schema) -> None:
    """Read the columns that some files have as integers and others not. Raises FeedrateError if not all values are whole."""
    mixed = [name for name in schema.columns if tables.columns[name].mixed]
    for file, table in tables.chunks(mixed) if mixed else ():
        for name in mixed:
            try:
                refuse_nulls(
                    name, converted(table[name], tables.columns[name].kind).null_count, f" in {file.data.path}"
                )
            except pa.ArrowInvalid as error:
                raise FeedrateError(
                    f"column {name!r} {tables.columns[name].mixed} ({short(error)}): make the files alike"
                ) from error


def _check_footer(file: Path, schema: Schema) -> None:
    """Raise FeedrateError for what the statistics of the row groups tell: nulls, wide ids and overflowing numbers."""
    flat = {column.name: True for column in schema.single_hot}
    flat.update(dict.fromkeys((*schema.continuous, schema.label), False))
    with parquet_file(file) as opened:
        for name, statistics in _statistics(opened.metadata, flat):
            where = f" in {file}"
            if statistics.has_null_count:
                refuse_nulls(name, statistics.null_count, where)
            if not statistics.has_min_max:
                continue
            least, greatest = statistics.min, statistics.max
            if flat[name] and isinstance(least, int) and isinstance(greatest, int):
                refuse_wide(name, least, greatest, where)
            elif not flat[name] and isinstance(least, float) and isinstance(greatest, float):
                refuse_overflow(name, max(abs(least), abs(greatest)), where)


def _statistics(metadata: pq.FileMetaData, names: Mapping[str, bool]) -> Iterator[tuple[str, pq.Statistics]]:
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for number in range(row_group.num_columns):
            column = row_group.column(number)
            if column.path_in_schema in names and column.is_stats_set:
                yield column.path_in_schema, column.statistics


def column_for_pyarrow(files: Iterable[Path], schema: Schema) -> str:
    """Return the first column that pylibcudf would not read as exact() does, so that PyArrow must; empty if there is none.

    pylibcudf reads integers as ids and floats as numbers. Other types, such as decimals, are for PyArrow.
    """
    for file in files:
        stored = pq.read_schema(file)
        for name in schema.columns:
            if stored.names.count(name) != 1 or not _is_plain(stored.field(name).type, name, schema):
                return name
    return ""


def _is_plain(kind: pa.DataType, name: str, schema: Schema) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    is_float = pa.types.is_floating(kind) and not pa.types.is_float16(kind)
    if name == schema.label:
        return bool(is_float or pa.types.is_integer(kind) or pa.types.is_boolean(kind))
    return is_float if name in schema.continuous else bool(pa.types.is_integer(kind))
