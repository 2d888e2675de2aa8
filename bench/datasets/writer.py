"""Writes the canonical folder: row groups of a fixed size, with the checksum, hashes and order sample of their rows."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from feedrate.bench.datasets.canonical import ORDER_SAMPLES, DatasetInfo, Decision, SplitInfo, SplitName
from feedrate.bench.datasets.options import DEFAULTS, PrepareOptions
from feedrate.bench.datasets.rows import row_index
from feedrate.bench.datasets.rows.hashed_rows import HashedRows, SplitRows, arrow_schema, hashed
from feedrate.bench.datasets.rows.order_sample import OrderSampleWriter
from feedrate.bench.datasets.rows.row_index import RowIndexWriter
from feedrate.bench.host.lifecycle.replaced_folder import partial_of, put_in_place
from feedrate.loaders.base import Schema
from feedrate.loaders.errors import FeedrateError, require_no_file
from feedrate.loaders.scratch.removal import remove_folder

if TYPE_CHECKING:
    import pyarrow as pa


def require_free(folder: Path, *, overwrite: bool) -> None:
    """Raise FeedrateError if a dataset cannot be written to `folder`."""
    require_no_file("-o", folder)
    used = folder.exists() and any(folder.iterdir())
    if used and not overwrite:
        raise FeedrateError(f"{folder} exists: pass --overwrite to replace it or choose another -o")
    if used and not (folder / "dataset.json").exists():
        raise FeedrateError(f"{folder} is not a dataset, so --overwrite does not touch it: choose another -o")


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Errors of the disk that a dataset is written to. Other errors may be those of the files that are read."""


@contextmanager
def new_dataset(folder: Path, schema: Schema, options: PrepareOptions = DEFAULTS) -> Iterator[DatasetWriter]:
    """Yield a writer beside `folder`. The result moves into place at the end, so the dataset in `folder` is always whole.

    Raises FeedrateError if `folder` is in use and is not to be overwritten, or if the disk is full or read-only.
    """
    folder = folder.absolute()
    require_free(folder, overwrite=options.overwrite)
    partial = partial_of(folder)
    try:
        writer = DatasetWriter(partial, schema, options)
        try:
            yield writer
            writer.close()
            put_in_place(partial, folder)
        finally:
            writer.abandon()
            remove_folder(partial)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise FeedrateError(f"{folder} cannot be written: {os.strerror(error.errno)}") from error


class DatasetWriter:
    """Cuts tables into row groups and files, and keeps a checksum of their rows."""

    def __init__(self, folder: Path, schema: Schema, options: PrepareOptions) -> None:
        self.folder, self._schema, self._made_of = folder, schema, options.made_of
        names: tuple[SplitName, ...] = ("train", "valid")
        self._splits = {name: _SplitWriter(folder / name, schema, options) for name in names}

    def add(self, split: SplitName, table: pa.Table) -> None:
        """Append rows. The table has the columns of `arrow_schema(schema)`."""
        self._splits[split].add(hashed(table, self._schema))

    def add_split(self, rows: SplitRows) -> None:
        """Append rows of both splits."""
        self._splits["train"].add(rows.train)
        self._splits["valid"].add(rows.valid)

    def finish(
        self,
        name: str,
        provenance: Mapping[str, Any],
        best_auc: float | None = None,
        decisions: tuple[Decision, ...] = (),
    ) -> None:
        """Write dataset.json. Raises FeedrateError if a split has no rows."""
        self.close()
        splits = {split: writer.info() for split, writer in self._splits.items()}
        for split, part in splits.items():
            if part.rows == 0:
                raise FeedrateError(f"the {split} split has no rows: the source is too small to be split")
        content = msgspec.json.encode(
            [self._schema, {split: (part.rows, part.checksum) for split, part in splits.items()}]
        )
        info = DatasetInfo(
            name=name,
            schema=self._schema,
            splits=splits,
            fingerprint=hashlib.sha256(content).hexdigest(),
            provenance={**provenance, **self._made_of},
            best_auc=best_auc,
            decisions=decisions,
        )
        (self.folder / "dataset.json").write_bytes(msgspec.json.format(msgspec.json.encode(info), indent=2) + b"\n")

    def close(self) -> None:
        """Write the rows that wait, and close all files."""
        for writer in self._splits.values():
            writer.close()

    def abandon(self) -> None:
        """Wait until no file is being written. What is incomplete stays so."""
        for writer in self._splits.values():
            writer.abandon()


class _SplitWriter:
    def __init__(self, folder: Path, schema: Schema, options: PrepareOptions) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files = options.runner.row_files(folder, arrow_schema(schema), options.row_group_rows)
        self._rows = 0
        self._sum = 0
        self._closed = False
        self._order_sample = OrderSampleWriter()
        self._row_index = RowIndexWriter(folder.parent / row_index.FOLDER / folder.name, schema)

    def add(self, rows: HashedRows) -> None:
        if not len(rows.hashes):
            return
        self._order_sample.add(rows.hashes, first_row=self._rows)
        self._row_index.add(rows.hashes, rows.word_sums)
        self._rows += len(rows.hashes)
        self._sum = (self._sum + int(rows.hashes.sum())) % 2**64
        self._files.add(rows.table)

    def close(self) -> None:
        if self._closed:
            return
        self._files.close()
        self._closed = True
        if self._rows:
            self._order_sample.write(self._folder.parent / ORDER_SAMPLES / f"{self._folder.name}.npy")
            self._row_index.close(self.info().checksum)

    def abandon(self) -> None:
        self._files.abandon()

    def info(self) -> SplitInfo:
        return SplitInfo(rows=self._rows, files=tuple(self._files.names), checksum=f"{self._sum:016x}")
