"""A loader that keeps Parquet files as a table in memory and yields its rows in a new random order in each epoch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from feedrate.loaders.base import Batch, LoaderConfig, Split


class MyLoader:
    def __init__(self, split: Split, config: LoaderConfig) -> None:
        tables = [pq.read_table(file, columns=list(split.schema.columns)) for file in split.files]
        self._table = pa.concat_tables(tables).combine_chunks()
        self._schema, self._config = split.schema, config

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard exactly once, in an order fixed by (seed, index)."""
        order = np.arange(len(self._table))
        if self._config.shuffle:
            np.random.default_rng((self._config.seed, index)).shuffle(order)
        shard = order[self._config.rank :: self._config.world_size]
        for start in range(0, len(shard), self._config.batch_size):
            yield self._batch(self._table.take(shard[start : start + self._config.batch_size]).combine_chunks())

    def close(self) -> None:
        self._table = self._table.slice(0, 0)

    def _batch(self, rows: pa.Table) -> Batch:
        schema = self._schema
        return Batch(
            {column.name: self._tensor(rows[column.name]) for column in schema.single_hot},
            {column.name: self._bag(rows[column.name]) for column in schema.multi_hot},
            {name: self._tensor(rows[name]) for name in schema.continuous},
            self._tensor(rows[schema.label]),
        )

    def _bag(self, column: pa.ChunkedArray) -> tuple[torch.Tensor, torch.Tensor]:
        lists = pa.concat_arrays(column.chunks)
        offsets = np.concatenate([[0], np.cumsum(lists.value_lengths().to_numpy())]).astype(np.int32)
        return self._tensor(lists.flatten()), torch.from_numpy(offsets).to(self._config.device)

    def _tensor(self, column: pa.Array | pa.ChunkedArray) -> torch.Tensor:
        return torch.from_numpy(np.array(column.to_numpy())).to(self._config.device)
