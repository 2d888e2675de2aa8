"""Has a split's Parquet files written by those who have made its rows, so that no row passes through the client."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from feedrate.bench.datasets.part_files import ROW_GROUPS_A_FILE, PartFiles, file_name
from feedrate.bench.datasets.parts.finished_part import StoredTable, digest
from feedrate.loaders.scratch.removal import remove_folder

if TYPE_CHECKING:
    from feedrate.bench.datasets.parts.runner import PartRunner


@dataclass(frozen=True, slots=True)
class _Slice:
    """Rows of a table."""

    table: StoredTable
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class _File:
    """A Parquet file that is to be written, and its rows."""

    path: Path
    rows: tuple[_Slice, ...]


class FilesOfParts:
    """The same files as those of PartFiles. Rows are named as they come, and written by workers in the end."""

    def __init__(self, folder: Path, schema: pa.Schema, group_rows: int, runner: PartRunner) -> None:
        self.names: list[str] = []
        self._folder, self._runner = folder, runner
        self._format = schema, group_rows
        self._files: list[list[_Slice]] = []
        self._room = 0
        """Rows that the last file still takes."""

    def add(self, table: StoredTable) -> None:
        """Append rows."""
        start = 0
        while start < table.rows:
            if not self._room:
                self._files.append([])
                self._room = ROW_GROUPS_A_FILE * self._format[1]
            stop = min(table.rows, start + self._room)
            self._files[-1].append(_Slice(table, start, stop))
            self._room -= stop - start
            start = stop

    def close(self) -> None:
        """Have all files written, and link them into the folder: they stay until the dataset is complete."""
        with self._runner.scratch() as scratch:
            files = [
                _File(scratch / f"{digest(repr((self._format, rows)).encode())}.parquet", tuple(rows))
                for rows in self._files
            ]
            for number, _ in enumerate(self._runner.run(_write_file, self._format, files)):
                self.names.append(file_name(number))
                _link(files[number].path, self._folder / self.names[-1])

    def abandon(self) -> None:
        """Do nothing: no file is being written here."""


def _write_file(file_format: tuple[pa.Schema, int], file: _File) -> Iterator[None]:
    """Write a file. It is whole once it has its name."""
    folder = file.path.with_suffix(f".{secrets.token_hex(4)}")
    folder.mkdir()
    written = PartFiles(folder, *file_format)
    try:
        for rows in file.rows:
            written.add(rows.table.load().slice(rows.start, rows.stop - rows.start))
        written.close()
        [name] = written.names
        (folder / name).rename(file.path)
    finally:
        written.abandon()
        remove_folder(folder)
    yield


def _link(file: Path, target: Path) -> None:
    """Give a file a second name, or copy it if the file system has no such links."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
