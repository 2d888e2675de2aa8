"""Opens Parquet files by path or by address. A row group in an object store is fetched as a whole, in requests side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from feedrate.loaders.stores.range_file import RangeFile
from feedrate.loaders.stores.store_path import StorePath
from feedrate.loaders.stores.stored_object import StoredObject, stored_object

if TYPE_CHECKING:
    from feedrate.loaders.parquet.decode import Group

STORE_THREADS = 4
"""Row groups that are read from an object store at the same time."""


def open_parquet(file: Path) -> pq.ParquetFile:
    """Open a file. Of one in a store nothing is read but the footer, once in a process. Raises what pyarrow raises."""
    return StoredParquet(stored_object(file)) if isinstance(file, StorePath) else pq.ParquetFile(file)


def read_footer(file: Path) -> pq.FileMetaData:
    """Read a file's metadata. Raises what pyarrow raises."""
    return stored_object(file).metadata if isinstance(file, StorePath) else pq.read_metadata(file)


def are_stored(groups: Sequence[Group]) -> bool:
    """Return whether the files are in an object store."""
    return bool(groups) and isinstance(groups[0].file, StorePath)


def reading_threads(groups: Sequence[Group], ahead: int) -> int:
    """Return how many threads read row groups on a host without a GPU: PyArrow has threads of its own.

    Several read from an object store, because each of them waits for answers before it decodes. ahead: reads that may wait.
    """
    return max(1, min(STORE_THREADS, ahead)) if are_stored(groups) else 1


class StoredParquet(pq.ParquetFile):  # type: ignore[misc]
    """A Parquet file in an object store. What is going to be read is asked for at once."""

    def __init__(self, stored: StoredObject) -> None:
        self._ranges = RangeFile(stored)
        super().__init__(self._ranges, metadata=stored.metadata)

    def read_row_group(self, i: int, columns: Sequence[str] | None = None, **options: Any) -> pa.Table:
        """Read a row group. Its columns are fetched even if only some are wanted."""
        self._ranges.ahead(*group_range(self.metadata, i))
        return super().read_row_group(i, columns=columns, **options)

    def read(self, columns: Sequence[str] | None = None, **options: Any) -> pa.Table:
        """Read the whole file."""
        if self.metadata.num_row_groups:
            first, last = group_range(self.metadata, 0), group_range(self.metadata, self.metadata.num_row_groups - 1)
            self._ranges.ahead(first[0], last[1])
        return super().read(columns=columns, **options)

    def iter_batches(self, batch_size: int = 65536, **options: Any) -> Iterator[pa.RecordBatch]:
        """Yield batches of each row group in turn. None holds rows of two groups."""
        for number in options.pop("row_groups", None) or range(self.metadata.num_row_groups):
            self._ranges.ahead(*group_range(self.metadata, number))
            yield from super().iter_batches(batch_size, row_groups=[number], **options)

    def close(self, force: bool = False) -> None:
        """Close the file and drop what was fetched ahead."""
        super().close(force)
        self._ranges.close()


def group_range(metadata: pq.FileMetaData, number: int) -> tuple[int, int]:
    """Return the first byte of a row group's columns, and the one behind its last."""
    info = metadata.row_group(number)
    begin, end = 2**63, 0
    for place in range(info.num_columns):
        column = info.column(place)
        start = column.data_page_offset
        if column.has_dictionary_page and column.dictionary_page_offset:
            start = min(start, column.dictionary_page_offset)
        begin, end = min(begin, start), max(end, start + column.total_compressed_size)
    return min(begin, end), end
