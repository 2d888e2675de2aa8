"""Model only (the ceiling): a few distinct batches, already on the device, delivered again and again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Split
from feedrate.loaders.parquet.columns import batch_to, epoch_order, read_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """Options of the replay loader."""

    distinct: int = 16
    """Number of batches kept. With a single one, its embedding rows would stay in the cache and look too fast."""


class ReplayLoader:
    """Delivers as many batches and rows as the rank's shard has, without any work."""

    def __init__(self, split: Split, config: LoaderConfig, options: ReplayOptions) -> None:
        columns = read_columns(split)
        positions = epoch_order(
            columns.rows,
            shuffle=config.shuffle,
            seed=config.seed,
            epoch=0,
            rank=config.rank,
            world_size=config.world_size,
        )
        order = torch.from_numpy(positions.copy())
        full, rest = divmod(len(order), config.batch_size)
        size = config.batch_size
        self._full = full
        self._batches = [
            batch_to(columns.take(order[i * size : (i + 1) * size]), config.device)
            for i in range(min(full, options.distinct))
        ]
        self._last = [batch_to(columns.take(order[full * size :]), config.device)] if rest else []

    def epoch(self, index: int) -> Iterator[Batch]:
        """Cycle through the kept batches. Epoch `index` starts with another batch than the one before."""
        kept = len(self._batches)
        for step in range(self._full):
            yield self._batches[(step + index) % kept]
        yield from self._last

    def close(self) -> None:
        """Free the kept batches."""
        self._batches, self._last = [], []


def _open(split: Split, config: LoaderConfig, options: ReplayOptions) -> Loader:
    return ReplayLoader(split, config, options)


ADAPTER = Adapter(
    open=_open,
    options=ReplayOptions,
    backend=lambda device: f"distinct batches kept on {device}",
    reads_stores=True,
    replays=True,
)
