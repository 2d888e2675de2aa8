"""What is known of a public data set's tables: the names and types of its columns, and what each of them is.

A layout tells files by their contents, since Criteo's have neither a suffix nor a header.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from feedrate.bench.datasets.csv_file import CsvFormat
from feedrate.bench.datasets.tables.csv import first_line, separator_of, split_line
from feedrate.bench.datasets.tables.declared import DeclaredColumns, Fill, Transforms
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.discovery import Format

_TEST_FILE = re.compile(r"test", re.IGNORECASE)
_SUBMISSION = re.compile(r"sample_?submission", re.IGNORECASE)
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns of a public data set. Whatever the user declares counts more."""

    title: str
    """As in "is not Criteo's click log"."""
    columns: tuple[str, ...]
    """All columns, in the order of files without a header."""
    label: str
    numbers: tuple[str, ...] = ()
    """Continuous columns, whose gaps become 0."""
    ids: tuple[str, ...] = ()
    """Columns whose values become ids by frequency."""
    dropped: tuple[str, ...] = ()
    """Columns to leave out. Files may lack them."""
    spellings: tuple[Mapping[str, str], ...]
    """For each way in which the columns are called: lower-case name to the name in `columns`."""
    types: Mapping[str, pl.DataType]
    """Types of the columns in CSV files with a header."""
    plain: CsvFormat | None = None
    """How files without a header are read. None: there are none."""
    file_names: re.Pattern[str] = field(default=re.compile("$."))
    """Names of CSV files without a usual suffix."""

    def format_of(self, path: Path, *, named: bool) -> Format | None:
        """Return the format of a file without a usual suffix; None if it is no data. named: the user named the file itself."""
        if not named:
            return "csv" if self.file_names.search(path.name) else None
        with path.open("rb") as file:
            return "parquet" if file.read(4) == b"PAR1" else "csv"

    def reason_to_skip(self, path: Path) -> str:
        """Return why a file in a folder is left out; empty if it is data."""
        if _SUBMISSION.match(path.name):
            return "sample submissions"
        if not _TEST_FILE.match(path.name) or ".parquet" in path.name.lower():
            return ""
        try:
            return "test files without a label" if self._lacks_label(first_line(path), path) else ""
        except FeedrateError:  # as_parquet() says what is wrong with the file
            return ""

    def csv_format(self, path: Path, given: CsvFormat) -> CsvFormat:
        """Return how a file is read. given: the user's options. Raises FeedrateError for a file that is not this data set's."""
        line = self._line(path)
        names = self._names(line, path)
        if self.plain is not None and not self._is_header(line, self.plain.separator):
            self._check_width(path, line, self.plain.separator)
            return replace(self.plain, null_values=given.null_values)
        renamed = self.renamed(names, path)
        types = {name: self.types[renamed.get(name, name)] for name in names if renamed.get(name, name) in self.types}
        return replace(given, known_types=types)

    def renamed(self, names: Sequence[str], path: Path) -> Mapping[str, str]:
        """Return the names in `columns` of columns that a file calls otherwise.

        Raises FeedrateError with the missing columns if the file has all columns of no spelling.
        """
        fewest: list[str] | None = None
        for spelling in self.spellings:
            known = _matches(names, spelling)
            missing = [name for name in self.columns if name not in known.values() and name not in self.dropped]
            if not missing:
                return {stored: name for stored, name in known.items() if stored != name}
            fewest = missing if fewest is None or len(missing) < len(fewest) else fewest
        raise FeedrateError(
            f"{path} is not {self.title}: it lacks the columns {_listed(fewest or [], 6)}, and has {_listed(names, 4)}. "
            "Use `feedrate prepare parquet` or `csv` for other tables"
        )

    def completed(
        self, declared: DeclaredColumns, transforms: Transforms, names: Sequence[str]
    ) -> tuple[DeclaredColumns, Transforms]:
        """Add what is known to what the user declared. Patterns are resolved already."""
        taken = {*declared.kinds, *declared.drop}
        numbers = tuple(name for name in self.numbers if name in names and name not in {*taken, *declared.categorify})
        ids = tuple(name for name in self.ids if name in names and name not in taken)
        dropped = tuple(name for name in self.dropped if name in names and name not in {*taken, *declared.categorify})
        fill: dict[str, Fill] = dict.fromkeys(numbers, "zero")
        return (
            replace(
                declared,
                continuous=(*declared.continuous, *numbers),
                single_hot=(*declared.single_hot, *ids),
                categorify=tuple(dict.fromkeys((*declared.categorify, *ids))),
                drop=(*declared.drop, *dropped),
                keep={name: f"--categorify {name}" for name in dropped},
            ),
            replace(transforms, fill={**fill, **transforms.fill}),
        )

    def _line(self, path: Path) -> str:
        with path.open("rb") as file:
            archive = file.read(4) == b"PK\x03\x04"
        line = "" if archive else first_line(path)
        if archive or "\0" in line:
            raise FeedrateError(f"{path} is an archive, not a text file: unpack it, and name the files in it")
        return line

    def _names(self, line: str, path: Path) -> tuple[str, ...]:
        """Return the names in a header. Raises FeedrateError if the label is all that the file lacks."""
        if self._lacks_label(line, path):
            raise FeedrateError(f"{path} has no label, as test files of {self.title}: name the files for training")
        return split_line(path, line, separator_of(path, line))

    def _lacks_label(self, line: str, path: Path) -> bool:
        if self.plain is not None and not self._is_header(line, self.plain.separator):
            return line.count(self.plain.separator) + 2 == len(self.columns)
        names = split_line(path, line, separator_of(path, line))
        needed = {*self.columns} - {*self.dropped}
        return any(
            {*_matches(names, spelling).values()} & needed == needed - {self.label} for spelling in self.spellings
        )

    def _is_header(self, line: str, separator: str) -> bool:
        """Whether a line has names: its first field is neither a number nor empty, or all fields are names by their places."""
        fields = line.split(separator)
        by_place = any([spelling.get(name) for name in fields] == [*self.columns] for spelling in self.spellings)
        return by_place or re.fullmatch(r"-?\d*", fields[0]) is None

    def _check_width(self, path: Path, line: str, separator: str) -> None:
        """Raise FeedrateError if the first line is too short or long, or if the last one was cut off."""
        fields, wanted = line.count(separator) + 1, len(self.columns)
        if fields != wanted:
            raise FeedrateError(
                f"{path} is not {self.title}: its first line has {fields} fields between tabs, and should have {wanted}. "
                "Use `feedrate prepare parquet` or `csv` for other tables"
            )
        with path.open("rb") as file:
            compressed = file.read(4).startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd"))
            file.seek(-min(_TAIL_BYTES, path.stat().st_size), os.SEEK_END)
            last = file.read().rpartition(b"\n")[2]
        if last and not compressed and last.count(separator.encode()) + 1 < wanted:
            raise FeedrateError(f"{path} ends within a line: it was not copied or unpacked as a whole, so get it again")


def _matches(names: Sequence[str], spelling: Mapping[str, str]) -> dict[str, str]:
    """Return the known name of each column that has one. Upper and lower case count only if both occur."""
    known = {name: name for name in names if name in spelling.values() and name.lower() in spelling}
    for name in names:
        wanted = spelling.get(name.lower())
        if wanted is not None and wanted not in known.values():
            known[name] = wanted
    return known


def _listed(names: Sequence[str], most: int) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
