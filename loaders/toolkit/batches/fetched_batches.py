"""Batches that a library fetches by row positions, in the consumer's process or in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from feedrate.loaders.base import Batch, LoaderConfig
from feedrate.loaders.parquet.columns import batch_to
from feedrate.loaders.toolkit.torch_workers import EpochSampler, worker_settings

Parts = tuple[Any, Any, Any, torch.Tensor]
"""A batch as a plain tuple, which a DataLoader can pin and send between processes."""


class FetchedBatches:
    """Calls fetch(positions) for each batch of an epoch, and brings what it returns to the device.

    With config.workers, a DataLoader calls it in worker processes, so `fetch` must survive a fork or pickling.
    """

    def __init__(self, fetch: Callable[[np.ndarray], Batch], rows: int, config: LoaderConfig) -> None:
        """fetch: takes row positions of the split, int64 [B], and returns those rows in that order, in host memory."""
        self._config = config
        self._order = EpochSampler(rows, config)
        self._fetch: Callable[[np.ndarray], Batch] | None = fetch
        self._loader: DataLoader[Any] | None = None
        if config.workers or config.device != "cpu":
            sampler = PositionBatches(self._order, config.batch_size)
            self._loader = DataLoader(_Fetched(fetch), batch_size=None, sampler=sampler, collate_fn=tuple, **worker_settings(config))  # fmt: skip

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        assert self._fetch is not None, "epoch() after close()"
        self._order.epoch = index
        if self._loader is None:
            yield from map(self._fetch, PositionBatches(self._order, self._config.batch_size))
            return
        for ids, bags, dense, label in self._loader:
            pairs = {name: tuple(bag) for name, bag in bags.items()}
            yield batch_to(Batch(ids, pairs, dense, label), self._config.device)

    def close(self) -> None:
        """Drop the DataLoader, which ends its workers."""
        self._loader = self._fetch = None


class _Fetched(Dataset[Parts]):
    def __init__(self, fetch: Callable[[np.ndarray], Batch]) -> None:
        self._fetch = fetch

    def __getitem__(self, positions: np.ndarray) -> Parts:
        batch = self._fetch(positions)
        return batch.ids, batch.bags, batch.dense, batch.label


class PositionBatches(Sampler[np.ndarray]):
    """Yields the row positions of each batch of an epoch: int64 [B]."""

    def __init__(self, order: EpochSampler, batch_size: int) -> None:
        self._order, self._batch_size = order, batch_size

    def __iter__(self) -> Iterator[np.ndarray]:
        order = np.ascontiguousarray(self._order.order())
        for begin in range(0, len(order), self._batch_size):
            yield order[begin : begin + self._batch_size]

    def __len__(self) -> int:
        return -(-len(self._order) // self._batch_size)
