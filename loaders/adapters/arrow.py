"""PyArrow alone: whole row groups in random order, their rows mixed in windows of several groups.

The advice is that of Arrow's documentation: read row groups, all needed columns at once, with Arrow's threads.
https://arrow.apache.org/docs/python/parquet.html

Arrow has no shuffle, so the window shuffle is feedrate's. The next window is read while one is consumed. Memory holds
two windows, whatever the size of the data.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError, require_bool, require_whole
from feedrate.loaders.parquet.decode import Group, read_groups
from feedrate.loaders.parquet.stored import open_parquet, reading_threads
from feedrate.loaders.phases import phase
from feedrate.loaders.toolkit import (
    Piece,
    batch_to,
    bounds_of_rank,
    bounds_of_worker,
    epoch_order,
    pieces_between,
    read_ahead,
    seed_of,
    window_shuffle,
    worker_settings,
)

WINDOW_ROWS = 2**20
WINDOWS = 4
"""Windows in memory at the peak: the one that is consumed, the next one, and two while row groups are joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowOptions:
    """Options of the arrow loader. Raises FeedrateError for an invalid value."""

    window_rows: int = 0
    """Rows that are mixed together, rounded up to whole row groups. 0: about a million, or what the memory budget holds."""
    read_ahead: bool = True
    """Read the next row groups in a thread while a window is consumed."""

    def __post_init__(self) -> None:
        require_whole("window_rows", self.window_rows, 0)
        require_bool("read_ahead", self.read_ahead)


class ArrowLoader:
    """Reads the row groups of this rank, in this process or in worker processes, and shuffles them in windows."""

    def __init__(self, split: Split, config: LoaderConfig, options: ArrowOptions) -> None:
        self._config = config
        self._rows = RowGroups(split, config, options)
        self._loader: DataLoader[Any] | RowGroups | None = self._rows
        if config.workers and config.shuffle:
            self._loader = DataLoader(self._rows, batch_size=None, collate_fn=tuple, **worker_settings(config))

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index). The number of workers changes the order."""
        assert self._loader is not None, "epoch() after close()"
        self._rows.epoch.fill_(index)
        for ids, bags, dense, label in self._loader:
            pairs = {name: tuple(bag) for name, bag in bags.items()}
            yield batch_to(Batch(ids, pairs, dense, label), self._config.device)

    def close(self) -> None:
        """Drop the DataLoader, which ends its workers."""
        self._loader = None


class RowGroups(IterableDataset[tuple[Any, Any, Any, torch.Tensor]]):
    """Yields the shuffled batches of an epoch as tuples, which a DataLoader can pin. Each worker has its share of rows."""

    def __init__(self, split: Split, config: LoaderConfig, options: ArrowOptions) -> None:
        self._schema, self._config, self._options = split.schema, config, options
        self._groups = read_groups(split)
        self.window_rows = options.window_rows or _window_rows(self._groups, config)
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        """Number of the epoch that the next iteration yields. Workers see it, too."""

    def __iter__(self) -> Iterator[tuple[Any, Any, Any, torch.Tensor]]:
        config, epoch, worker = self._config, int(self.epoch), get_worker_info()
        sizes = [group.rows for group in self._groups]
        order = epoch_order(len(sizes), shuffle=config.shuffle, seed=config.seed, epoch=epoch)
        begin, end = bounds_of_rank(sum(sizes), config)
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        first, last = bounds_of_worker(end - begin, config.batch_size, number, workers)
        pieces = pieces_between(sizes, order.tolist(), begin + first, begin + last)
        seed = seed_of(config.seed, epoch, config.rank, number) if config.shuffle else None
        read = partial(self._read_piece, threads=worker is None)
        ahead = -(-self.window_rows // max(sizes, default=1)) if self._options.read_ahead else 0
        with contextlib.closing(
            read_ahead(read, pieces, ahead=ahead, threads=reading_threads(self._groups, ahead))
        ) as groups:
            batches = window_shuffle(
                groups,
                self._schema,
                window_rows=self.window_rows,
                batch_size=config.batch_size,
                seed=seed,
                device="cpu" if worker else config.device,
            )
            for batch in batches:
                yield batch.ids, batch.bags, batch.dense, batch.label

    def _read_piece(self, piece: Piece, *, threads: bool) -> pa.Table:
        group = self._groups[piece.group]
        with phase("decode", group.rows), open_parquet(group.file) as opened:
            table = opened.read_row_group(group.number, columns=list(self._schema.columns), use_threads=threads)
        return table.slice(piece.begin, piece.rows)


def _window_rows(groups: Sequence[Group], config: LoaderConfig) -> int:
    """Return the rows of a window that the memory budget holds in each worker, at most WINDOW_ROWS."""
    if config.memory_budget_bytes is None:
        return WINDOW_ROWS
    budget, copies = config.memory_budget_bytes, WINDOWS * max(config.workers, 1)
    total, rows = sum(group.nbytes for group in groups), sum(group.rows for group in groups)
    largest = max((group.nbytes for group in groups), default=0)
    if copies * largest > budget:
        raise FeedrateError(
            f"the memory budget is {budget:,} bytes, but arrow needs {copies * largest:,} for the largest row group: "
            "raise --memory-budget, or prepare the data with fewer --row-group-rows"
        )
    return max(min((budget // copies - largest) * rows // max(total, 1), WINDOW_ROWS), 1)


def _open(split: Split, config: LoaderConfig, options: ArrowOptions) -> Loader:
    return ArrowLoader(split, config, options)


ADAPTER = Adapter(
    open=_open,
    options=ArrowOptions,
    backend=lambda _device: f"pyarrow {pa.__version__}, row groups shuffled in windows in host memory",
    reads_stores=True,
    in_force=lambda loader: {"window_rows": loader._rows.window_rows},
)
