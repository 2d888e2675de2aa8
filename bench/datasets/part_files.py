"""Writes a split's rows to Parquet files in row groups of a fixed size.

A thread writes, so that the caller can hash or draw the next rows meanwhile.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUPS_A_FILE = 32


class RowFiles(Protocol):
    """The Parquet files of a split."""

    names: list[str]
    """Of the files in the folder. They are complete after close()."""

    def add(self, table: pa.Table) -> None:
        """Append rows."""
        ...

    def close(self) -> None:
        """Wait until everything is written. Raises what went wrong with it."""
        ...

    def abandon(self) -> None:
        """Wait until no file is being written, whether that succeeds or not."""
        ...


def file_name(number: int) -> str:
    """Return the name of a split's file."""
    return f"part-{number:04}.parquet"


class PartFiles:
    """The files part-0000.parquet, part-0001.parquet, ... of a folder. At most one row group waits to be written."""

    def __init__(self, folder: Path, schema: pa.Schema, group_rows: int) -> None:
        """group_rows: rows of each row group but the last one."""
        self.names: list[str] = []
        self._folder, self._schema, self._group_rows = folder, schema, group_rows
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._groups_in_file = 0
        self._writer: Any = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="parquet")
        self._pending: Future[None] | None = None

    def write(self, group: pa.Table) -> None:
        """Begin to write a row group, once the one before it is written. Raises what went wrong with that one."""
        self._wait()
        self._pending = self._thread.submit(self._write, group)

    def add(self, table: pa.Table) -> None:
        """Append rows, and begin to write the row groups that are complete."""
        import pyarrow as pa

        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        while self._waiting_rows >= self._group_rows:
            table = pa.concat_tables(self._waiting)
            self.write(table.slice(0, self._group_rows).combine_chunks())
            self._waiting = [table.slice(self._group_rows)]
            self._waiting_rows -= self._group_rows

    def close(self) -> None:
        """Write the rows that wait, and wait until everything is written. Raises what went wrong with it."""
        import pyarrow as pa

        if self._waiting_rows:
            self.write(pa.concat_tables(self._waiting).combine_chunks())
            self._waiting, self._waiting_rows = [], 0
        self._wait()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._thread.shutdown()

    def abandon(self) -> None:
        """Wait until no file is being written, whether that succeeds or not."""
        self._thread.shutdown()

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _write(self, group: pa.Table) -> None:
        import pyarrow.parquet as pq

        if self._writer is None or self._groups_in_file == ROW_GROUPS_A_FILE:
            if self._writer is not None:
                self._writer.close()
            self.names.append(file_name(len(self.names)))
            self._groups_in_file = 0
            self._writer = pq.ParquetWriter(self._folder / self.names[-1], self._schema, compression="snappy")
        self._writer.write_table(group, row_group_size=group.num_rows)
        self._groups_in_file += 1
