"""Writes a split's row groups to Parquet files in a thread, so that the caller can hash or draw the next rows meanwhile."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUPS_A_FILE = 32


class PartFiles:
    """The files part-0000.parquet, part-0001.parquet, ... of a folder. At most one row group waits to be written."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.names: list[str] = []
        self._folder, self._schema = folder, schema
        self._groups_in_file = 0
        self._writer: Any = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="parquet")
        self._pending: Future[None] | None = None

    def write(self, group: pa.Table) -> None:
        """Begin to write a row group, once the one before it is written. Raises what went wrong with that one."""
        self._wait()
        self._pending = self._thread.submit(self._write, group)

    def close(self) -> None:
        """Wait until everything is written. Raises what went wrong with the last row group."""
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
            self.names.append(f"part-{len(self.names):04}.parquet")
            self._groups_in_file = 0
            self._writer = pq.ParquetWriter(self._folder / self.names[-1], self._schema, compression="snappy")
        self._writer.write_table(group, row_group_size=group.num_rows)
        self._groups_in_file += 1
