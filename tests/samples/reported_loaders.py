"""Loaders with faults that users of other tools report. Each is right but for what its docstring says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from feedrate.loaders.base import Batch, LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import Columns, epoch_order, read_columns


class Right:
    """Right: a gather a batch."""

    def __init__(self, split: Split, config: LoaderConfig) -> None:
        self.config, self.columns = config, read_columns(split)

    def order(self, index: int) -> torch.Tensor:
        c = self.config
        return torch.from_numpy(epoch_order(self.columns.rows, shuffle=c.shuffle, seed=c.seed, epoch=index).copy())

    def epoch(self, index: int) -> Any:
        return (self.columns.take(rows) for rows in self.order(index).split(self.config.batch_size))

    def close(self) -> None:
        pass


class Exits(Right):
    """A library calls sys.exit after two batches."""

    def epoch(self, index: int) -> Iterator[Batch]:
        yield from itertools.islice(super().epoch(index), 2)
        raise SystemExit(3)


class Endless(Right):
    """It begins again when an epoch should end."""

    def epoch(self, index: int) -> Iterator[Batch]:
        for again in itertools.count():
            yield from super().epoch(index + again)


class LabelInt64(Right):
    """Its labels are int64."""

    def epoch(self, index: int) -> Iterator[Batch]:
        for batch in super().epoch(index):
            yield Batch(batch.ids, batch.bags, batch.dense, batch.label.long())


class Tuples(Right):
    """It yields pairs of inputs and targets."""

    def epoch(self, index: int) -> Iterator[Any]:
        for batch in super().epoch(index):
            yield {**batch.ids, **batch.dense}, {"rating": batch.label}


class ReturnsNone(Right):
    """Somebody forgot to yield."""

    def epoch(self, index: int) -> None:
        pass


class OnlyIterable:
    """It is an iterable of batches, as a DataLoader is."""

    def __init__(self, split: Split, config: LoaderConfig) -> None:
        self.right = Right(split, config)

    def __iter__(self) -> Iterator[Batch]:
        yield from self.right.epoch(0)

    def close(self) -> None:
        pass


class Unsharded(Right):
    """Each of two workers delivers every row, in the same order."""

    seeds = (0, 0)

    def epoch(self, index: int) -> Iterator[Batch]:
        dataset = Whole(self.columns, self.config.batch_size, [(seed, index) for seed in self.seeds])
        yield from map(_batch, DataLoader(dataset, batch_size=None, num_workers=len(self.seeds)))


class UnshardedInOwnOrders(Unsharded):
    """Each of two workers delivers every row, in an order of its own."""

    seeds = (1, 2)


class WorkerRaises(Right):
    """The worker that meets row 7 cannot parse it; its message has markup in it."""

    error: type[Exception] = ValueError

    def epoch(self, index: int) -> Iterator[Batch]:
        batches = [rows.numpy() for rows in self.order(index).split(self.config.batch_size)]
        dataset = NoRowSeven(self.columns, self.error)
        yield from map(_batch, DataLoader(dataset, batch_size=None, sampler=batches, num_workers=1))


class WorkerRaisesOurError(WorkerRaises):
    """The error is one of feedrate's."""

    error = FeedrateError


class NoRowSeven(Dataset[Any]):
    def __init__(self, columns: Columns, error: type[Exception]) -> None:
        self.columns, self.error = columns, error

    def __getitem__(self, rows: np.ndarray) -> tuple[Any, ...]:
        if 7 in rows:
            raise self.error("cannot parse row 7: 'N/A' <b>[red]markup[/red]</b>")
        return _parts(self.columns.take(torch.from_numpy(rows)))


class Whole(IterableDataset[Any]):
    def __init__(self, columns: Columns, batch_size: int, seeds: list[tuple[int, int]]) -> None:
        self.columns, self.batch_size, self.seeds = columns, batch_size, seeds

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        worker = torch.utils.data.get_worker_info()
        assert worker is not None
        order = np.random.default_rng(self.seeds[worker.id]).permutation(self.columns.rows)
        return (_parts(self.columns.take(rows)) for rows in torch.from_numpy(order).split(self.batch_size))


def _parts(batch: Batch) -> tuple[Any, ...]:
    """What DataLoader's workers can send: it knows tuples and mappings, but no Batch."""
    return batch.ids, batch.bags, batch.dense, batch.label


def _batch(parts: tuple[Any, ...]) -> Batch:
    ids, bags, dense, label = parts
    return Batch(ids, {name: (bag[0], bag[1]) for name, bag in bags.items()}, dense, label)
