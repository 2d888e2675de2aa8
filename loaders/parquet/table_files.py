"""Opens a user's Parquet files, finds the one type that each column has in all of them, and reads them chunk by chunk."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from feedrate.loaders.errors import Faults, FeedrateError
from feedrate.loaders.parquet.arrow_types import (
    INTEGER,
    NUMBER,
    TEXT,
    flattened,
    flattened_schema,
    is_numeric,
    meaning,
    nests_dictionary,
    unify,
)
from feedrate.loaders.parquet.discovery import DataFile, DataFiles
from feedrate.loaders.parquet.open_file import parquet_file, short

CHUNK_ROWS = 262_144


@dataclass(frozen=True, slots=True)
class TableFile:
    """An open Parquet file's footer."""

    data: DataFile
    schema: pa.Schema
    """Columns with the fields of structs as columns of their own, and without the columns in the names of folders."""
    rows: int
    index: frozenset[str]
    """Columns that pandas wrote as the frame's index."""
    stored: Mapping[str, str] = field(default_factory=dict)
    """The names in the file of columns that have another one here."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of all files together."""

    name: str
    kind: pa.DataType | None
    """What meaning() returns for it; None if the type has no place in a data set."""
    stored: str
    """The type in the first file that has one, for messages."""
    mixed: str
    """Files that have it as an integer and as another kind of number, with both types. Then its values must be whole."""
    in_folders: bool
    """Whether it stands in the names of `key=value` folders only."""
    index: bool
    """Whether pandas wrote it as an index."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The files as one table."""

    files: tuple[TableFile, ...]
    columns: Mapping[str, Column]
    faults: Mapping[str, str]
    """Columns that differ between files or occur twice, with a sentence. They can be left out, but not read."""
    notes: tuple[str, ...]
    """What the reader should know about the files: what was skipped."""

    @property
    def rows(self) -> int:
        """Number of rows in all files."""
        return sum(file.rows for file in self.files)

    def chunks(self, names: Sequence[str]) -> Iterator[tuple[TableFile, pa.Table]]:
        """Yield the columns as stored, up to CHUNK_ROWS rows at a time, with the file that they are from.

        Raises FeedrateError for a file that cannot be read to its end.
        """
        for file in self.files:
            if file.rows:
                yield from _chunks_of(file, names, self.columns)


Rename = Callable[[Sequence[str], Path], Mapping[str, str]]
"""Called with the columns and the path of a file. Returns other names for some of them, or raises FeedrateError."""


def open_tables(found: DataFiles, rename: Rename | None = None) -> Tables:
    """Read all footers. Raises Faults for files that cannot be opened, FeedrateError if there are no rows."""
    faults: list[str] = []
    files: list[TableFile] = []
    for data in found.files:
        try:
            files.append(_open(data, rename))
        except FeedrateError as error:
            faults.append(str(error))
    if faults:
        raise Faults(faults)
    with_rows = [file for file in files if file.rows]
    if not with_rows:
        raise FeedrateError(f"{found.files[0].shown} has no rows" + (" and nor has any other file" * (len(files) > 1)))
    columns, differences = _common_columns(with_rows)
    notes = [f"skipped {reason} ({count})" for reason, count in found.skipped.items()]
    renamed = {stored: name for file in files for name, stored in file.stored.items()}
    if renamed:
        notes.append(f"renamed {', '.join(f'{stored} to {name}' for stored, name in renamed.items())}")
    return Tables(tuple(files), columns, differences, tuple(notes))


def key_value(text: str | None, kind: pa.DataType) -> pa.Scalar:
    """Return a value from the name of a folder as `kind`."""
    return pa.scalar(text, pa.string()).cast(kind) if text is not None else pa.scalar(None, kind)


def _open(data: DataFile, rename: Rename | None) -> TableFile:
    with parquet_file(data.path) as opened:
        schema, rows = opened.schema_arrow, opened.metadata.num_rows
    flat, index = flattened_schema(schema), _index_columns(schema)
    if rename is None:
        return TableFile(data, flat, rows, index)
    names = rename(flat.names, data.shown)
    renamed = pa.schema([column.with_name(names.get(column.name, column.name)) for column in flat])
    return TableFile(data, renamed, rows, index, {name: stored for stored, name in names.items()})


def _index_columns(schema: pa.Schema) -> frozenset[str]:
    """Return the columns that pandas' own metadata calls the index."""
    described = (schema.pandas_metadata or {}) if b"pandas" in (schema.metadata or {}) else {}
    columns = described.get("index_columns", [])
    return frozenset(name for name in columns if isinstance(name, str))


def _common_columns(files: Sequence[TableFile]) -> tuple[dict[str, Column], dict[str, str]]:
    """Return each column of all files, and a sentence for each that is not the same everywhere."""
    keys = {name: _key_kind(name, files) for file in files for name in file.data.keys}
    names = dict.fromkeys(name for file in files for name in (*file.schema.names, *file.data.keys))
    columns, faults = {}, {}
    for name in names:
        if any(name in file.schema.names for file in files):
            columns[name], fault = _unified(name, files)
        else:
            columns[name], fault = _of_folders(name, keys[name], files)
        if fault:
            faults[name] = fault
    return columns, faults


def _unified(name: str, files: Sequence[TableFile]) -> tuple[Column, str]:
    twice = next((file for file in files if file.schema.names.count(name) > 1), None)
    lacking = next((file for file in files if name not in file.schema.names), None)
    holders = [file for file in files if file.schema.names.count(name) == 1]
    index = any(name in file.index for file in files)
    if twice is not None:
        kind = pa.null()
        fault = f"{twice.data.shown} has two columns called {name!r}: rename one of them"
        return Column(name, kind, "ambiguous", mixed="", in_folders=False, index=index), fault
    first = next((file for file in holders if not pa.types.is_null(_type(file, name))), holders[0])
    kind, mixed, fault = meaning(_type(first, name)), "", ""
    for file in holders:
        if pa.types.is_null(_type(file, name)):
            continue  # missing values go with any type, also with one that has no place in a data set
        common = _common(kind, meaning(_type(file, name)))
        differing = f"is {_type(first, name)} in {first.data.shown} and {_type(file, name)} in {file.data.shown}"
        if common is None and not (kind is None and meaning(_type(file, name)) is None):
            fault = fault or f"column {name!r} {differing}"
            continue
        if is_mixed(_type(first, name), _type(file, name)):
            mixed = mixed or differing
        kind = common
    if lacking is not None:
        fault = f"column {name!r} is missing in {lacking.data.shown}, while {holders[0].data.shown} has it"
    column = Column(name, kind, str(_type(first, name)), mixed=mixed, in_folders=False, index=index)
    return column, f"{fault}: make the files alike" if fault else ""


def _common(first: pa.DataType | None, second: pa.DataType | None) -> pa.DataType | None:
    return None if first is None or second is None else unify(first, second)


def is_mixed(first: pa.DataType, second: pa.DataType) -> bool:
    """Whether one type is an integer and the other another kind of number."""
    numbers = [kind for kind in (meaning(first), meaning(second)) if kind is not None and is_numeric(kind)]
    return len(numbers) == 2 and len({pa.types.is_integer(kind) for kind in numbers}) == 2


def _type(file: TableFile, name: str) -> pa.DataType:
    return file.schema.field(name).type


def _of_folders(name: str, kind: pa.DataType, files: Sequence[TableFile]) -> tuple[Column, str]:
    lacking = next((file for file in files if name not in file.data.keys), None)
    column = Column(name, kind, f"{kind} in the names of folders", mixed="", in_folders=True, index=False)
    if lacking is None:
        return column, ""
    return column, f"column {name!r} stands in the names of some folders, but not for {lacking.data.shown}"


def _key_kind(name: str, files: Sequence[TableFile]) -> pa.DataType:
    """Return the type of a column in the names of folders: a type that keeps different names apart."""
    values = {file.data.keys[name] for file in files if file.data.keys.get(name) is not None}
    for kind, pattern in ((INTEGER, r"[+-]?\d{1,18}"), (NUMBER, r"[+-]?\d+\.\d+"), (pa.date32(), r"\d{4}-\d\d-\d\d")):
        if values and all(re.fullmatch(pattern, value or "") for value in values):
            try:
                typed = Counter(key_value(value, kind) for value in values)
            except pa.ArrowInvalid:
                continue
            if len(typed) == len(values):
                return kind
    return TEXT


def _chunks_of(
    file: TableFile, names: Sequence[str], columns: Mapping[str, Column]
) -> Iterator[tuple[TableFile, pa.Table]]:
    stored = [name for name in names if name in file.schema.names]
    keys = {name: columns[name].kind for name in names if name not in file.schema.names}
    with parquet_file(file.data.path) as opened:
        for table in _tables(opened, file, stored):
            for name, kind in keys.items():
                value = key_value(file.data.keys.get(name), kind)
                table = table.append_column(name, pa.repeat(value, table.num_rows))
            yield file, table.select(list(names))


def _tables(opened: pq.ParquetFile, file: TableFile, stored: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the stored columns. If only columns of the folders' names are wanted, tables have rows and no columns."""
    if not stored:
        for start in range(0, file.rows, CHUNK_ROWS):
            rows = min(CHUNK_ROWS, file.rows - start)
            yield pa.table({"": pa.nulls(rows)}).select([])
        return
    columns = [file.stored.get(name, name) for name in stored]
    try:
        for groups in _groups_at_a_time(opened, columns):
            for batch in opened.iter_batches(batch_size=CHUNK_ROWS, row_groups=groups, columns=columns):
                yield flattened(pa.Table.from_batches([batch])).select(columns).rename_columns(list(stored))
    except (pa.ArrowException, OSError) as error:
        if "crypt" in str(error):
            raise FeedrateError(f"{file.data.shown} has encrypted columns: write it without encryption") from error
        where = "".join(f"column {name!r} of " for name in _unreadable(opened, columns))
        raise FeedrateError(
            f"{where}{file.data.shown} cannot be read to its end ({short(error)}): write or copy it again"
        ) from error


def _groups_at_a_time(opened: pq.ParquetFile, stored: Sequence[str]) -> list[list[int]]:
    """Return the row groups that are read together: all of them, or one, as Arrow joins no nested dictionary values."""
    groups = list(range(opened.num_row_groups))
    fields = [f for f in opened.schema_arrow if {*flattened_schema(pa.schema([f])).names} & {*stored}]
    return [[group] for group in groups] if any(nests_dictionary(f.type) for f in fields) else [groups]


def _unreadable(opened: pq.ParquetFile, stored: Sequence[str]) -> Iterator[str]:
    """Yield the columns that cannot be read alone, unless that is so of all."""
    faulty = []
    for name in stored:
        try:
            for groups in _groups_at_a_time(opened, [name]):
                for _ in opened.iter_batches(batch_size=CHUNK_ROWS, row_groups=groups, columns=[name]):
                    pass
        except (pa.ArrowException, OSError):
            faulty.append(name)
    if len(faulty) < len(stored):
        yield from faulty
