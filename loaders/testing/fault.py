"""The steps of an epoch that a planted fault may replace, and the correct ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feedrate.loaders.base import Batch
from feedrate.loaders.parquet.columns import batch_to, epoch_order

if TYPE_CHECKING:
    from feedrate.loaders.testing.planted import PlantedLoader


def right_order(loader: PlantedLoader, epoch: int, *, shuffle: bool | None = None) -> np.ndarray:
    """Return the row positions of the shard in the correct order. shuffle=None uses the configuration's value."""
    config = loader.config
    return epoch_order(
        loader.columns.rows,
        shuffle=config.shuffle if shuffle is None else shuffle,
        seed=config.seed,
        epoch=epoch,
        rank=config.rank,
        world_size=config.world_size,
    ).copy()


def to_device(loader: PlantedLoader, batches: Iterable[Batch], _epoch: int) -> Iterator[Batch]:
    """Yield the batches on the trial's device."""
    for batch in batches:
        yield batch_to(batch, loader.config.device)


@dataclass(frozen=True, slots=True)
class Fault:
    """The three steps of an epoch. Each is correct unless the fault replaces it."""

    order: Callable[[PlantedLoader, int], np.ndarray] = right_order
    """Takes the loader and the epoch, and returns row positions in the order of the epoch."""
    plan: Callable[[list[np.ndarray], int], Iterable[np.ndarray]] = lambda plan, _epoch: plan
    """Takes the row positions of each batch and the epoch, and returns those to deliver."""
    batches: Callable[[PlantedLoader, Iterable[Batch], int], Iterator[Batch]] = to_device
    """Takes the loader, batches on the host and the epoch, and yields what is delivered."""
