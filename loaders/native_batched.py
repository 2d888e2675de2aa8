"""The strong PyTorch baseline: a DataLoader that fetches whole batches, gathered by torch from columns in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, NoOptions, Split
from feedrate.loaders.parquet.columns import Columns, batch_to, read_columns
from feedrate.loaders.toolkit.torch_workers import EpochSampler, backend, worker_settings


class NativeBatchedLoader:
    """Keeps the columns in host memory and makes each batch with one gather per column."""

    def __init__(self, split: Split, config: LoaderConfig) -> None:
        self._config = config
        self._order = EpochSampler(split.rows, config)
        self._loader: DataLoader[Any] | None = DataLoader(
            RowSets(read_columns(split)),
            batch_size=None,
            sampler=BatchPositions(self._order, config.batch_size),
            **worker_settings(config),
        )

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        assert self._loader is not None, "epoch() after close()"
        self._order.epoch = index
        for ids, bags, dense, label in self._loader:
            yield batch_to(
                Batch(ids, {name: tuple(bag) for name, bag in bags.items()}, dense, label),
                self._config.device,
            )

    def close(self) -> None:
        """Drop the DataLoader, which ends its workers."""
        self._loader = None


class RowSets(Dataset[tuple[Any, Any, Any, torch.Tensor]]):
    """A Dataset whose index is an array of row positions and whose item is the batch of those rows."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return self._columns.rows

    def __getitem__(self, rows: np.ndarray) -> tuple[Any, Any, Any, torch.Tensor]:
        batch = self._columns.take(torch.from_numpy(rows))
        return batch.ids, batch.bags, batch.dense, batch.label


class BatchPositions(Sampler[np.ndarray]):
    """Yields the row positions of each batch: the order of the epoch, cut into batches."""

    def __init__(self, order: EpochSampler, batch_size: int) -> None:
        self._order, self._batch_size = order, batch_size

    def __iter__(self) -> Iterator[np.ndarray]:
        order = np.ascontiguousarray(self._order.order())
        for start in range(0, len(order), self._batch_size):
            yield order[start : start + self._batch_size]

    def __len__(self) -> int:
        return -(-len(self._order) // self._batch_size)


def _open(split: Split, config: LoaderConfig, _options: NoOptions) -> Loader:
    return NativeBatchedLoader(split, config)


ADAPTER = Adapter(open=_open, options=NoOptions, backend=backend, reads_stores=True)
