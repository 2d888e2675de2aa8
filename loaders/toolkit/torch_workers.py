"""Parts for adapters built on torch's DataLoader: the row order of an epoch and the worker settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler

from feedrate.loaders.base import LoaderConfig
from feedrate.loaders.parquet.columns import epoch_order


class EpochSampler(Sampler[int]):
    """Yields the row positions of this rank's shard in the order of (seed, epoch). Set `epoch` before iterating."""

    def __init__(self, rows: int, config: LoaderConfig) -> None:
        self._rows, self._config = rows, config
        self.epoch = 0

    def order(self) -> np.ndarray:
        """Return the row positions of the current epoch as an integer array."""
        config = self._config
        return epoch_order(
            self._rows,
            shuffle=config.shuffle,
            seed=config.seed,
            epoch=self.epoch,
            rank=config.rank,
            world_size=config.world_size,
        )

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())

    def __len__(self) -> int:
        return len(range(self._config.rank, self._rows, self._config.world_size))


def worker_settings(config: LoaderConfig) -> dict[str, Any]:
    """Return the DataLoader arguments that follow from the configuration: workers, prefetch and pinned memory."""
    settings: dict[str, Any] = {"num_workers": config.workers, "pin_memory": config.device != "cpu"}
    if config.workers:
        settings |= {"persistent_workers": True, "prefetch_factor": config.prefetch}
    return settings


def backend(device: str) -> str:
    """Return what an adapter reports as its backend: torch's version and where the batches are."""
    where = "pinned host memory, copied to the device" if device != "cpu" else "host memory"
    return f"torch {torch.__version__} DataLoader, {where}"
