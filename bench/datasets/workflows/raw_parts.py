"""Writes rows as pairs of Parquet files: the columns for NVTabular, and those that it does not touch. Reads its output beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as types

from feedrate.bench.datasets.canonical import SplitName
from feedrate.bench.datasets.workflows.raw_columns import RawColumn
from feedrate.loaders.errors import FeedrateError

PART_ROWS = 262_144
"""Rows of a part. NVTabular holds a few parts in memory."""


class RawParts:
    """Parts of one split, each of one row group."""

    def __init__(self, folder: Path, split: SplitName, columns: Sequence[RawColumn]) -> None:
        self.files: list[Path] = []
        self._folder, self._split, self._columns = folder, split, columns
        self._waiting: list[tuple[pa.Table, pa.Table]] = []
        self._waiting_rows, self._rows = 0, 0

    def add(self, raw: pa.Table, kept: pa.Table) -> None:
        """Append rows: the columns for NVTabular, and all others."""
        self._waiting.append((raw, kept))
        self._waiting_rows += raw.num_rows
        while self._waiting_rows >= PART_ROWS:
            raw, kept = self._joined()
            self._write(raw.slice(0, PART_ROWS), kept.slice(0, PART_ROWS))
            self._waiting = [(raw.slice(PART_ROWS), kept.slice(PART_ROWS))]
            self._waiting_rows -= PART_ROWS

    def close(self) -> None:
        """Write the rows that wait."""
        if self._waiting_rows:
            self._write(*self._joined())
            self._waiting, self._waiting_rows = [], 0

    def read(self, output: Path) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Yield what NVTabular made of each part, and the part's other columns."""
        for number in range(len(self.files)):
            yield pq.read_table(output / f"{self._split}-{number:04}.parquet"), pq.read_table(self._kept(number))

    def _joined(self) -> tuple[pa.Table, pa.Table]:
        raw, kept = zip(*self._waiting, strict=True)
        return pa.concat_tables(raw), pa.concat_tables(kept)

    def _write(self, raw: pa.Table, kept: pa.Table) -> None:
        for column in self._columns:
            lists = raw[column.name]
            if types.is_list(lists.type) and not pc.max(pc.list_value_length(lists)).as_py():
                name = column.column.name
                raise FeedrateError(
                    f"column {name!r} has only empty lists in the {raw.num_rows:,} rows of the {self._split} split from row "
                    f"{self._rows:,} on, which NVTabular cannot read: leave it out with --drop {name}, or use --etl feedrate"
                )
        self.files.append(self._folder / f"raw-{self._split}-{len(self.files):04}.parquet")
        pq.write_table(raw, self.files[-1], row_group_size=raw.num_rows)
        pq.write_table(kept, self._kept(len(self.files) - 1), row_group_size=kept.num_rows)
        self._rows += raw.num_rows

    def _kept(self, number: int) -> Path:
        return self._folder / f"kept-{self._split}-{number:04}.parquet"
