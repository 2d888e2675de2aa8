"""Loops over libraries that hold the rows in memory or map them, written without feedrate for the best speed."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from feedrate.loaders.base import Split
from tests.samples.bare.tensors import (
    Epoch,
    Tensors,
    gather,
    gather_bags,
    part,
    permutation,
    read_tensors,
    tensors_of_arrow,
)


@contextlib.contextmanager
def torch_resident(split: Split, batch_size: int) -> Iterator[Epoch]:
    columns = read_tensors(split.files)

    def epoch(index: int) -> Iterator[Tensors]:
        rows = gather(columns, permutation(split.rows, index))
        for begin in range(0, split.rows, batch_size):
            yield {name: part(column, begin, begin + batch_size) for name, column in rows.items()}

    yield epoch


class TensorRows(Dataset[Tensors]):
    """A Dataset that is asked for a whole batch of positions."""

    def __init__(self, split: Split) -> None:
        self.columns = read_tensors(split.files)

    def __getitem__(self, rows: torch.Tensor) -> Tensors:
        return gather(self.columns, rows)


@contextlib.contextmanager
def native_batched(split: Split, batch_size: int) -> Iterator[Epoch]:
    rows = TensorRows(split)

    def epoch(index: int) -> Iterator[Tensors]:
        yield from DataLoader(rows, batch_size=None, sampler=permutation(split.rows, index).split(batch_size))

    yield epoch


@contextlib.contextmanager
def polars(split: Split, batch_size: int) -> Iterator[Epoch]:
    import polars as pl

    frame = pl.read_parquet(list(split.files)).rechunk()

    def epoch(index: int) -> Iterator[Tensors]:
        for batch in frame.sample(fraction=1, shuffle=True, seed=index).iter_slices(batch_size):
            yield tensors_of_arrow(batch.to_arrow())

    yield epoch


@contextlib.contextmanager
def duckdb(split: Split, batch_size: int) -> Iterator[Epoch]:
    import duckdb as library

    with library.connect() as connection:
        connection.execute("CREATE TABLE rows AS SELECT * FROM read_parquet(?)", [[str(file) for file in split.files]])

        def epoch(index: int) -> Iterator[Tensors]:
            query = f"SELECT * FROM rows ORDER BY hash(xor(rowid, {index * 7919}))"
            for block in connection.sql(query).to_arrow_reader(batch_size):
                yield tensors_of_arrow(block)

        yield epoch


@contextlib.contextmanager
def hf_datasets(split: Split, batch_size: int) -> Iterator[Epoch]:
    import datasets

    with tempfile.TemporaryDirectory() as folder:
        rows = datasets.Dataset.from_parquet([str(file) for file in split.files], cache_dir=folder).with_format("arrow")

        def epoch(index: int) -> Iterator[Tensors]:
            order = np.random.default_rng(index).permutation(len(rows))
            for begin in range(0, len(order), batch_size):
                # each row is a chunk: joining them at once is much faster than column by column
                yield tensors_of_arrow(rows[order[begin : begin + batch_size]].combine_chunks())

        yield epoch


@contextlib.contextmanager
def torchdata(split: Split, batch_size: int) -> Iterator[Epoch]:
    from torchdata import nodes

    rows = TensorRows(split)

    def epoch(index: int) -> Iterator[Tensors]:
        orders: Any = permutation(split.rows, index).split(batch_size)
        batches: Any = nodes.Mapper(nodes.IterableWrapper(orders), rows.__getitem__)
        yield from nodes.Loader(nodes.Prefetcher(batches, prefetch_factor=2))

    yield epoch


@contextlib.contextmanager
def tensordict(split: Split, batch_size: int) -> Iterator[Epoch]:
    from tensordict import MemoryMappedTensor, TensorDict

    columns = read_tensors(split.files)
    with tempfile.TemporaryDirectory() as folder:
        flat = {name: column for name, column in columns.items() if isinstance(column, torch.Tensor)}
        bags = {name: column for name, column in columns.items() if isinstance(column, tuple)}
        for name, (_, offsets) in bags.items():
            flat |= {f"{name} start": offsets[:-1], f"{name} length": offsets.diff()}
        rows = TensorDict(flat, batch_size=[split.rows]).memmap(folder)
        values = {
            name: MemoryMappedTensor.from_tensor(value, filename=Path(folder) / f"{name} values").as_subclass(
                torch.Tensor
            )
            for name, (value, _) in bags.items()
        }

        def epoch(index: int) -> Iterator[Tensors]:
            for order in permutation(split.rows, index).split(batch_size):
                batch = dict(rows[order.long()].items())
                for name, value in values.items():
                    batch[name] = gather_bags(value, batch.pop(f"{name} start"), batch.pop(f"{name} length"))
                yield batch

        yield epoch


@contextlib.contextmanager
def grain(split: Split, batch_size: int) -> Iterator[Epoch]:
    import grain as library

    columns = read_tensors(split.files)

    class Batches:
        """A source whose elements are the batches of an epoch."""

        def __init__(self, index: int) -> None:
            self.orders = permutation(split.rows, index).split(batch_size)

        def __len__(self) -> int:
            return len(self.orders)

        def __getitem__(self, number: int) -> Tensors:
            return gather(columns, self.orders[number])

    reads = library.ReadOptions(num_threads=2, prefetch_buffer_size=2)
    yield lambda index: iter(library.MapDataset.source(Batches(index)).to_iter_dataset(reads))
