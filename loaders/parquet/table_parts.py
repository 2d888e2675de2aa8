"""Reads a table in parts: some row groups of one file, which any process that sees the file can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.arrow_types import flattened, flattened_schema, nests_dictionary
from feedrate.loaders.parquet.folder_keys import key_value
from feedrate.loaders.parquet.open_file import parquet_file, short

CHUNK_ROWS = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePart:
    """Some columns of successive row groups."""

    path: Path
    """Absolute, since other processes may have another current folder."""
    shown: Path
    """The path to name in messages."""
    state: tuple[int, int]
    """Size and time of change of the file, so that parts of two versions of a file differ."""
    groups: tuple[int, ...]
    rows: int
    names: tuple[str, ...]
    """The columns, in the order in which they are wanted."""
    stored: Mapping[str, str]
    """The names in the file of those columns that are in it."""
    folders: Mapping[str, tuple[str | None, pa.DataType]] = field(default_factory=dict)
    """The value and type of those columns that stand in the names of folders."""

    def chunks(self) -> Iterator[pa.Table]:
        """Yield the columns as stored, up to CHUNK_ROWS rows at a time.

        Raises FeedrateError if the row groups cannot be read to their end, or have other numbers of rows than the footer says.
        """
        done = 0
        with parquet_file(self.path) as opened:
            for table in self._tables(opened):
                done += table.num_rows
                if done > self.rows:
                    break
                for name, (text, kind) in self.folders.items():
                    table = table.append_column(name, pa.repeat(key_value(text, kind), table.num_rows))
                yield table.select(list(self.names))
        if done != self.rows:
            raise FeedrateError(f"{self.shown} has other rows than its footer says: write or copy it again")

    def _tables(self, opened: pq.ParquetFile) -> Iterator[pa.Table]:
        """Yield the stored columns. If only columns of the folders' names are wanted, tables have rows and no columns."""
        if not self.stored:
            for start in range(0, self.rows, CHUNK_ROWS):
                rows = min(CHUNK_ROWS, self.rows - start)
                yield pa.table({"": pa.nulls(rows)}).select([])
            return
        columns = list(self.stored.values())
        try:
            for groups in _groups_at_a_time(opened, columns, self.groups):
                for batch in opened.iter_batches(batch_size=CHUNK_ROWS, row_groups=groups, columns=columns):
                    yield flattened(pa.Table.from_batches([batch])).select(columns).rename_columns(list(self.stored))
        except (pa.ArrowException, OSError) as error:
            if "crypt" in str(error):
                raise FeedrateError(f"{self.shown} has encrypted columns: write it without encryption") from error
            raise FeedrateError(
                f"{_unreadable(opened, columns)}{self.shown} cannot be read to its end ({short(error)}): write or copy it again"
            ) from error


def whole_groups(group_rows: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield successive row groups that together have at least CHUNK_ROWS rows, or are the last ones. Empty ones are left out."""
    groups: list[int] = []
    rows = 0
    for number, size in enumerate(group_rows):
        if size:
            groups.append(number)
            rows += size
        if rows >= CHUNK_ROWS:
            yield tuple(groups)
            groups, rows = [], 0
    if groups:
        yield tuple(groups)


def _groups_at_a_time(opened: pq.ParquetFile, stored: Sequence[str], groups: Sequence[int]) -> list[list[int]]:
    """Return the row groups that are read together: all of them, or one, as Arrow joins no nested dictionary values."""
    wanted = {*stored}
    fields = [f for f in opened.schema_arrow if {*flattened_schema(pa.schema([f])).names} & wanted]
    return [[group] for group in groups] if any(nests_dictionary(f.type) for f in fields) else [list(groups)]


def _unreadable(opened: pq.ParquetFile, stored: Sequence[str]) -> str:
    """Return "column X of " for the columns that cannot be read alone, unless that is so of all."""
    faulty, row_groups = [], _groups_at_a_time(opened, stored, range(opened.num_row_groups))
    for name in stored:
        try:
            for groups in row_groups:
                for _ in opened.iter_batches(batch_size=CHUNK_ROWS, row_groups=groups, columns=[name]):
                    pass
        except (pa.ArrowException, OSError):
            faulty.append(name)
    if not faulty or len(faulty) == len(stored):
        return ""
    others = f" and {len(faulty) - 1:,} more" if len(faulty) > 1 else ""
    return f"column {faulty[0]!r}{others} of "
