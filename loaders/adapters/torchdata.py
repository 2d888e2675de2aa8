"""torchdata: its nodes, or its StatefulDataLoader, over columns in host memory.

The advice is that of its documentation. https://pytorch.org/data/0.11/migrate_to_nodes_from_utils.html
A sampler node, a mapper node with threads or processes, pinned memory, and a prefetcher. `torchdata:stateful` is the
drop-in replacement of torch's DataLoader instead, which can resume in the middle of an epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Split
from feedrate.loaders.errors import require_bool, require_choice
from feedrate.loaders.toolkit import (
    Columns,
    EpochSampler,
    PositionBatches,
    batch_to,
    import_library,
    read_columns,
    worker_settings,
)

Parts = tuple[Any, Any, Any, torch.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchdataOptions:
    """Options of the torchdata loader. Raises FeedrateError for an invalid value."""

    stateful: bool = False
    """Use StatefulDataLoader, with worker processes, instead of nodes."""
    method: str = "thread"
    """Nodes: what the workers of the mapper are, thread or process."""

    def __post_init__(self) -> None:
        require_bool("stateful", self.stateful)
        require_choice("method", self.method, ("thread", "process"))


class TorchdataLoader:
    """Gathers each batch from columns in host memory, in the library's own workers."""

    def __init__(self, split: Split, config: LoaderConfig, options: TorchdataOptions) -> None:
        self._nodes = import_library("torchdata.nodes", "torchdata")
        stateful = import_library("torchdata.stateful_dataloader", "torchdata")
        self._config, self._options = config, options
        self._order = EpochSampler(split.rows, config)
        self._rows: RowSets | None = RowSets(read_columns(split))
        self._loader: Any = None
        if options.stateful:
            settings = worker_settings(config)
            sampler = PositionBatches(self._order, config.batch_size)
            self._loader = stateful.StatefulDataLoader(self._rows, batch_size=None, sampler=sampler, **settings)

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        assert self._rows is not None, "epoch() after close()"
        self._order.epoch = index
        source = self._loader if self._options.stateful else self._node(self._rows)
        for ids, bags, dense, label in source:
            pairs = {name: tuple(bag) for name, bag in bags.items()}
            yield batch_to(Batch(ids, pairs, dense, label), self._config.device)

    def close(self) -> None:
        """Drop the columns and the loader, which ends its workers."""
        self._rows = self._loader = None

    def _node(self, rows: RowSets) -> Any:
        """Return the nodes of one epoch. A new graph an epoch leaves nothing behind of one that was abandoned."""
        nodes, config = self._nodes, self._config
        node = nodes.SamplerWrapper(PositionBatches(self._order, config.batch_size))
        if config.workers:
            node = nodes.ParallelMapper(node, rows.__getitem__, num_workers=config.workers, method=self._options.method)
        else:
            node = nodes.Mapper(node, rows.__getitem__)
        if config.device != "cpu":
            node = nodes.PinMemory(node)
        return nodes.Loader(nodes.Prefetcher(node, prefetch_factor=config.prefetch))


class RowSets(Dataset[Parts]):
    """A Dataset whose index is an array of row positions and whose item is the batch of those rows, as a tuple."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def __getitem__(self, positions: np.ndarray) -> Parts:
        batch = self._columns.take(torch.from_numpy(positions))
        return batch.ids, batch.bags, batch.dense, batch.label


def backend(_device: str) -> str:
    """Return the library's version. Raises LoaderUnavailable without it."""
    return f"torchdata {import_library('torchdata', 'torchdata').__version__}, columns in host memory"


def _open(split: Split, config: LoaderConfig, options: TorchdataOptions) -> Loader:
    backend(config.device)
    return TorchdataLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=TorchdataOptions, backend=backend, reads_stores=True)
