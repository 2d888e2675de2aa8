"""Grain: a MapDataset whose elements are blocks of shuffled rows, gathered by the library's threads.

The advice is that of its documentation: a source of random access, whose reads run ahead in threads.
https://google-grain.readthedocs.io/en/latest/data_sources/protocol.html For rows in memory it advises no threads, because
of Python's lock. Gathering a block does not hold it, so two threads are faster.

Grain spends about 10 microseconds of Python on each element. So an element is a block of rows in the order of the epoch.
`grain:rows` makes each row an element instead, in the order of the library's own shuffle, as its tutorials do: a hundred
times slower. Worker processes are not used, because each would hold a copy of the rows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError, require_bool, require_whole
from feedrate.loaders.toolkit import Columns, EpochSampler, batch_to, batch_views, import_library, read_columns, seed_of

MAX_ROWS = 2**32
"""Grain's shuffle works with positions of 32 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrainOptions:
    """Options of the grain loader. Raises FeedrateError for an invalid value."""

    rows: bool = False
    """Make each row an element, in the order of the library's own shuffle. It is a hundred times slower."""
    block_rows: int = 2**18
    """Rows of an element, and that are copied to a GPU at once. Rounded up to whole batches. Not used with rows."""
    threads: int = 2
    """Threads that gather elements ahead. 0: the consumer gathers them. The library's own default is 16."""

    def __post_init__(self) -> None:
        require_bool("rows", self.rows)
        require_whole("block_rows", self.block_rows, 1)
        require_whole("threads", self.threads, 0)


class GrainLoader:
    """Holds the columns in host memory and reads a new pipeline in each epoch."""

    def __init__(self, split: Split, config: LoaderConfig, options: GrainOptions) -> None:
        self._library = _library()
        if options.rows and split.rows >= MAX_ROWS:
            raise FeedrateError(f"grain shuffles fewer than {MAX_ROWS:,} rows, but there are {split.rows:,}")
        self._config, self._options = config, options
        self._block_rows = -(-options.block_rows // config.batch_size) * config.batch_size
        self._order = EpochSampler(split.rows, config)
        self._columns: Columns | None = read_columns(split)
        self._readings: list[Any] = []

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        assert self._columns is not None, "epoch() after close()"
        if not len(self._order):
            return
        config, threads = self._config, self._options.threads
        elements = self._rows(self._columns, index) if self._options.rows else self._blocks(self._columns, index)
        reads = self._library.ReadOptions(threads, max(config.prefetch, threads) if threads else 0)
        reading = iter(elements.to_iter_dataset(reads))
        self._readings.append(reading)
        try:
            for block in reading:
                yield from batch_views(batch_to(block, config.device), config.batch_size)
        finally:
            reading.close()
            if reading in self._readings:
                self._readings.remove(reading)

    def close(self) -> None:
        """Stop the library's threads and drop the columns."""
        while self._readings:
            self._readings.pop().close()
        self._columns = None

    def _blocks(self, columns: Columns, epoch: int) -> Any:
        """Return the pipeline whose elements are blocks of rows."""
        self._order.epoch = epoch
        return self._library.MapDataset.source(Blocks(columns, self._order.order(), self._block_rows))

    def _rows(self, columns: Columns, epoch: int) -> Any:
        """Return the pipeline whose elements are rows, as their positions, until they are gathered as batches."""
        config = self._config
        rows = self._library.MapDataset.range(columns.rows)
        if config.shuffle:
            rows = rows.shuffle(seed_of(config.seed, epoch, bits=32))
        rows = rows[config.rank :: config.world_size]
        return rows.batch(config.batch_size, batch_fn=lambda positions: columns.take(torch.tensor(positions)))


class Blocks(Sequence[Batch]):
    """A source of random access whose elements are blocks of the rows at `order`, int64 [rows of the shard]."""

    def __init__(self, columns: Columns, order: np.ndarray, block_rows: int) -> None:
        self._columns, self._order, self._block_rows = columns, order, block_rows

    def __len__(self) -> int:
        return -(-len(self._order) // self._block_rows)

    def __getitem__(self, number: Any) -> Any:
        positions = self._order[number * self._block_rows : (number + 1) * self._block_rows]
        return self._columns.take(torch.from_numpy(np.ascontiguousarray(positions)))


def _library() -> Any:
    """Import Grain without its warning that JAX is not installed."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        return import_library("grain", "grain")
    finally:
        logging.disable(before)


def backend(_device: str) -> str:
    """Return the library's version. Raises LoaderUnavailable without it."""
    return f"Grain {_library().__version__}, columns in host memory"


def _open(split: Split, config: LoaderConfig, options: GrainOptions) -> Loader:
    return GrainLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=GrainOptions, backend=backend, reads_stores=True)
