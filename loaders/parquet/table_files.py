"""Opens a user's Parquet files, finds the one type that each column has in all of them, and reads them chunk by chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from feedrate.loaders.errors import Faults, FeedrateError
from feedrate.loaders.parquet.arrow_types import (
    TEXT,
    flattened_schema,
    is_numeric,
    meaning,
    unify,
)
from feedrate.loaders.parquet.discovery import DataFile, DataFiles
from feedrate.loaders.parquet.folder_keys import key_kind
from feedrate.loaders.parquet.limits import require_few_columns, require_possible_rows, require_short_names
from feedrate.loaders.parquet.open_file import parquet_file
from feedrate.loaders.parquet.table_parts import TablePart, whole_groups

_CSV_INDEX = frozenset(("", "Unnamed: 0"))
"""Names of the column of pandas' index in a CSV file, and after that was read again."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """An open Parquet file's footer."""

    data: DataFile
    types: Mapping[str, pa.DataType]
    """Of each column, with the fields of structs as columns of their own, and without those in the names of folders."""
    twice: frozenset[str]
    """Names of several columns."""
    rows: int
    group_rows: tuple[int, ...]
    """Rows of each row group."""
    state: tuple[int, int]
    """Size and time of change."""
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
            for part in self._parts_of(file, names):
                for table in part.chunks():
                    yield file, table

    def parts(self, names: Sequence[str]) -> Iterator[TablePart]:
        """Yield these columns in parts of whole row groups, in the order of the files."""
        for file in self.files:
            yield from self._parts_of(file, names)

    def _parts_of(self, file: TableFile, names: Sequence[str]) -> Iterator[TablePart]:
        stored = {name: file.stored.get(name, name) for name in names if name in file.types}
        folders = {
            name: (file.data.keys.get(name), self.columns[name].kind) for name in names if name not in file.types
        }
        for groups in whole_groups(file.group_rows):
            yield TablePart(
                path=file.data.path.absolute(),
                shown=file.data.shown,
                state=file.state,
                groups=groups,
                rows=sum(file.group_rows[group] for group in groups),
                names=tuple(names),
                stored=stored,
                folders=folders,
            )


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
    notes = [*(f"skipped {reason} ({count})" for reason, count in found.skipped.items()), *found.notes]
    notes += [
        f"column {name!r} stands in the files and in the names of folders: the files' values are used"
        for name, column in columns.items()
        if not column.in_folders and any(name in file.data.keys for file in with_rows)
    ]
    renamed = {stored: name for file in files for name, stored in file.stored.items()}
    if renamed:
        notes.append(f"renamed {', '.join(f'{stored} to {name}' for stored, name in renamed.items())}")
    return Tables(tuple(files), columns, differences, tuple(notes))


def with_texts(tables: Tables, names: Collection[str]) -> Tables:
    """Return the tables with these columns as text if they stand in the names of folders, even if all are numbers."""
    columns = {
        name: replace(column, kind=TEXT) if column.in_folders and name in names else column
        for name, column in tables.columns.items()
    }
    return replace(tables, columns=columns)


def _open(data: DataFile, rename: Rename | None) -> TableFile:
    with parquet_file(data.path) as opened:
        require_few_columns(data.shown, opened.metadata.num_columns)
        require_possible_rows(data.shown, opened.metadata.num_rows)
        schema, metadata = opened.schema_arrow, opened.metadata
        group_rows = tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        if sum(group_rows) != metadata.num_rows or min(group_rows, default=0) < 0:
            raise FeedrateError(
                f"{data.shown} is damaged: its row groups have other rows than it says. Write or copy it again"
            )
    status = data.path.stat()
    index = _CSV_INDEX if data.origin else _index_columns(schema)
    flat = flattened_schema(schema)
    require_short_names(data.shown, flat.names)
    others = rename(flat.names, data.shown) if rename else {}
    names = [others.get(name, name) for name in flat.names]
    twice = frozenset(name for name, count in Counter(names).items() if count > 1)
    stored = {name: before for before, name in others.items()}
    types = dict(zip(names, flat.types, strict=True))
    state = (status.st_size, status.st_mtime_ns)
    return TableFile(data, types, twice, metadata.num_rows, group_rows, state, index, stored)


def _index_columns(schema: pa.Schema) -> frozenset[str]:
    """Return the columns that pandas' own metadata calls the index."""
    described = (schema.pandas_metadata or {}) if b"pandas" in (schema.metadata or {}) else {}
    columns = described.get("index_columns", [])
    return frozenset(name for name in columns if isinstance(name, str))


def _common_columns(files: Sequence[TableFile]) -> tuple[dict[str, Column], dict[str, str]]:
    """Return each column of all files, and a sentence for each that is not the same everywhere."""
    keys = dict.fromkeys(name for file in files for name in file.data.keys)
    stored = dict.fromkeys(name for file in files for name in file.types)
    columns, faults = {}, {}
    for name in {**stored, **keys}:
        if name in stored:
            columns[name], fault = _unified(name, files)
        else:
            columns[name], fault = _of_folders(name, key_kind({file.data.keys.get(name) for file in files}), files)
        if fault:
            faults[name] = fault
    return columns, faults


def _unified(name: str, files: Sequence[TableFile]) -> tuple[Column, str]:
    twice = next((file for file in files if name in file.twice), None)
    lacking = next((file for file in files if name not in file.types), None)
    holders = [file for file in files if name in file.types]
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
    return file.types[name]


def _of_folders(name: str, kind: pa.DataType, files: Sequence[TableFile]) -> tuple[Column, str]:
    lacking = next((file for file in files if name not in file.data.keys), None)
    column = Column(name, kind, f"{kind} in the names of folders", mixed="", in_folders=True, index=False)
    if lacking is None:
        return column, ""
    sentence = (
        f"column {name!r} stands in the names of some folders, but not for {lacking.data.shown}: "
        f"move the file into a folder called {name}=..."
    )
    return column, sentence
