"""A planted fault: the opening of a loader and the three steps of an epoch, each correct unless the fault replaces it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from feedrate.loaders.base import Batch, LoaderConfig, Split
from feedrate.loaders.parquet.columns import Columns, batch_to, epoch_order


class Planted(Protocol):
    """What a fault may use of the loader that it is planted in."""

    config: LoaderConfig
    split: Split
    columns: Columns
    leaked: list[np.ndarray]
    """Memory that a fault keeps until the loader is closed."""
    notes: dict[str, Any]
    """What a fault remembers from one epoch to the next. `closed` is true after close()."""


def right_order(loader: Planted, epoch: int, *, shuffle: bool | None = None, seed: int | None = None) -> np.ndarray:
    """Return the row positions of the shard in the correct order. None uses the configuration's value."""
    config = loader.config
    return epoch_order(
        loader.columns.rows,
        shuffle=config.shuffle if shuffle is None else shuffle,
        seed=config.seed if seed is None else seed,
        epoch=epoch,
        rank=config.rank,
        world_size=config.world_size,
    ).copy()


def to_device(loader: Planted, batches: Iterable[Batch], _epoch: int) -> Iterator[Batch]:
    """Yield the batches on the loader's device."""
    for batch in batches:
        yield batch_to(batch, loader.config.device)


@dataclass(frozen=True, slots=True)
class Fault:
    """The opening and the three steps of an epoch. Each is correct unless the fault replaces it."""

    order: Callable[[Planted, int], np.ndarray] = right_order
    """Takes the loader and the epoch, and returns row positions in the order of the epoch."""
    plan: Callable[[list[np.ndarray], int], Iterable[np.ndarray]] = lambda plan, _epoch: plan
    """Takes the row positions of each batch and the epoch, and returns those to deliver."""
    batches: Callable[[Planted, Iterable[Batch], int], Iterator[Batch]] = to_device
    """Takes the loader, batches on the host and the epoch, and yields what is delivered."""
    opened: Callable[[Planted], object] = lambda _loader: None
    """Called when the loader has been opened."""
