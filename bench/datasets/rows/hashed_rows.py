"""Rows as the canonical folder has them, with their hashes: whoever makes rows hashes them, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feedrate.loaders.base import Schema

if TYPE_CHECKING:
    import pyarrow as pa

HASHED_ROWS = 32_000
"""Rows that are hashed at a time, so that their hashes stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class HashedRows:
    """Rows of one split."""

    table: pa.Table
    """With the columns and types of arrow_schema(). A StoredTable if another process has made the rows."""
    hashes: np.ndarray
    """int64 [rows]."""
    word_sums: tuple[int, ...]
    """Sum of each column's 4-byte words modulo 2^64, in the order of Schema.columns."""


@dataclass(frozen=True, slots=True)
class SplitRows:
    """Rows of both splits, each in the order of the source."""

    train: HashedRows
    valid: HashedRows

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.train.hashes) + len(self.valid.hashes)


def split_rows(table: pa.Table, valid: np.ndarray, schema: Schema) -> SplitRows:
    """Return the rows of a table by split. valid: bool [rows], whether a row is for validation."""
    import pyarrow as pa

    return SplitRows(*(hashed(table.filter(pa.array(kept)), schema) for kept in (~valid, valid)))


def hashed(table: pa.Table, schema: Schema) -> HashedRows:
    """Bring rows to the types of arrow_schema(), and hash them. The table may have more columns."""
    from feedrate.bench.consumer.reading import word_sums
    from feedrate.bench.datasets.rows.checksum import row_hashes
    from feedrate.loaders.parquet.columns import columns_of_table

    arrow = arrow_schema(schema)
    table = table.select(arrow.names).cast(arrow)
    hashes, sums = [np.zeros(0, np.int64)], [0] * len(arrow.names)
    with one_torch_thread():
        for start in range(0, table.num_rows, HASHED_ROWS):
            columns = columns_of_table(table.slice(start, HASHED_ROWS), schema)
            rows = columns.slice(0, columns.rows)
            hashes.append(row_hashes(rows).numpy())
            sums = [(total + words) % 2**64 for total, words in zip(sums, word_sums(rows), strict=True)]
    return HashedRows(table, np.concatenate(hashes), tuple(sums))


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch work in one thread. More would wait for cores at every step, which the Parquet writers' threads have."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def arrow_schema(schema: Schema) -> pa.Schema:
    """Return the schema of the Parquet files: int32 ids, lists of int32, float32; nothing is nullable."""
    import pyarrow as pa

    ids = pa.int32()
    bags = pa.list_(pa.field("element", ids, nullable=False))
    return pa.schema(
        [
            *(pa.field(column.name, ids, nullable=False) for column in schema.single_hot),
            *(pa.field(column.name, bags, nullable=False) for column in schema.multi_hot),
            *(pa.field(name, pa.float32(), nullable=False) for name in (*schema.continuous, schema.label)),
        ]
    )
