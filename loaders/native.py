"""A plain PyTorch Dataset (one row per item) with a DataLoader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, NoOptions, Split
from feedrate.loaders.parquet.columns import Columns, batch_to, read_columns
from feedrate.loaders.toolkit.torch_workers import EpochSampler, backend, worker_settings

Row = tuple[list[int], list[np.ndarray], list[float], float]


class NativeLoader:
    """Fetches rows one by one from host memory, in `workers` worker processes or, with 0, in the consumer's."""

    def __init__(self, split: Split, config: LoaderConfig) -> None:
        self._config = config
        self._sampler = EpochSampler(split.rows, config)
        self._loader: DataLoader[Any] | None = DataLoader(
            Rows(read_columns(split)),
            batch_size=config.batch_size,
            sampler=self._sampler,
            collate_fn=Collate(split),
            **worker_settings(config),
        )

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        assert self._loader is not None, "epoch() after close()"
        self._sampler.epoch = index
        for ids, bags, dense, label in self._loader:
            yield batch_to(Batch(ids, bags, dense, label), self._config.device)

    def close(self) -> None:
        """Drop the DataLoader, which ends its workers."""
        self._loader = None


class Rows(Dataset[Row]):
    """Returns one row per item: ids, one array per bag, continuous values, and the label."""

    def __init__(self, columns: Columns) -> None:
        self._ids = [column.numpy() for column in columns.ids.values()]
        self._bags = [(values.numpy(), offsets.numpy()) for values, offsets in columns.bags.values()]
        self._dense = [column.numpy() for column in columns.dense.values()]
        self._label = columns.label.numpy()

    def __len__(self) -> int:
        return len(self._label)

    def __getitem__(self, row: int) -> Row:
        return (
            [column[row] for column in self._ids],
            [values[offsets[row] : offsets[row + 1]] for values, offsets in self._bags],
            [column[row] for column in self._dense],
            self._label[row],
        )


class Collate:
    """Turns rows into the four parts of a Batch, as a plain tuple because the DataLoader knows how to pin one."""

    def __init__(self, split: Split) -> None:
        self._single = [column.name for column in split.schema.single_hot]
        self._multi = [column.name for column in split.schema.multi_hot]
        self._dense = split.schema.continuous

    def __call__(self, rows: Sequence[Row]) -> tuple[Any, Any, Any, torch.Tensor]:
        """Return (ids, bags, dense, label) of the rows, as in Batch and on the host."""
        ids, bags, dense, label = zip(*rows, strict=True)
        return (
            {
                name: torch.tensor(column, dtype=torch.int32)
                for name, column in zip(self._single, zip(*ids, strict=True), strict=True)
            },
            {name: _collate_bags(column) for name, column in zip(self._multi, zip(*bags, strict=True), strict=True)},
            {
                name: torch.tensor(column, dtype=torch.float32)
                for name, column in zip(self._dense, zip(*dense, strict=True), strict=True)
            },
            torch.tensor(label, dtype=torch.float32),
        )


def _collate_bags(bags: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    offsets = torch.tensor([0, *accumulate(len(bag) for bag in bags)], dtype=torch.int32)
    return torch.from_numpy(np.concatenate(bags)), offsets


def _open(split: Split, config: LoaderConfig, _options: NoOptions) -> Loader:
    return NativeLoader(split, config)


ADAPTER = Adapter(open=_open, options=NoOptions, backend=backend, reads_stores=True)
