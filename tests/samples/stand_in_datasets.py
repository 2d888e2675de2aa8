"""Stands in for Hugging Face's `datasets` where it is not installed: the calls that docs/loaders.md makes, on an Arrow table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


class Dataset:
    """Rows of an Arrow table in an order."""

    def __init__(self, table: pa.Table, order: np.ndarray) -> None:
        self._table, self._order = table, order

    def with_format(self, kind: str) -> Dataset:
        assert kind == "arrow"
        return self

    def shuffle(self, *, generator: np.random.Generator) -> Dataset:
        return Dataset(self._table, generator.permutation(self._order))

    def shard(self, num_shards: int, index: int, contiguous: bool) -> Dataset:
        assert not contiguous
        return Dataset(self._table, self._order[index::num_shards])

    def iter(self, batch_size: int) -> Iterator[pa.Table]:
        for start in range(0, len(self._order), batch_size):
            yield self._table.take(self._order[start : start + batch_size])


def load_dataset(path: str, *, data_files: list[str], split: str) -> Dataset:
    assert (path, split) == ("parquet", "train")
    table = pa.concat_tables(pq.read_table(file) for file in data_files)
    return Dataset(table, np.arange(len(table)))
