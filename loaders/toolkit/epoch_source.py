"""Iterates over what `make` returned, once for each epoch, in an order that (seed, epoch) fixes. Converts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, cast

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, Sampler, SequentialSampler

from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import order_generator
from feedrate.loaders.toolkit.column_values import kind_of

Make = Callable[[Split, LoaderConfig], object]
_PARTS = ("dataset", "sampler", "batch_sampler")
"""Attributes of an iterable that may have a `set_epoch` or a generator of their own."""
_DEPTH = 4
"""How far parts of parts are looked for: a DataLoader's batch sampler's shard's sampler."""


class EpochSource:
    """The batches of `make(split, config)`. `make` is called once, or once for each epoch if it returns an iterator."""

    def __init__(self, make: Make, split: Split, config: LoaderConfig) -> None:
        """Call `make`. Raises FeedrateError if it returns nothing to iterate over, or a DataLoader that loses rows."""
        self._make, self._split, self._config = make, split, config
        self._made: object = make(split, config)
        self._parts: list[object] = []
        self._current: Iterator[Any] | None = None
        if is_iterator(self._made):
            _close(self._made)
            self._begin = self._make_anew
        elif hasattr(type(self._made), "__iter__"):
            if isinstance(self._made, DataLoader):
                require_all_rows(self._made, split, config)
                share_among_ranks(self._made, split, config)
            self._parts = parts_of(self._made)
            self._begin = self._iterate_again
        elif callable(self._made):
            self._begin = self._call
        else:
            raise FeedrateError(
                f"make returned {kind_of(self._made)}, but must return an iterable of batches, such as a DataLoader, "
                "or a function of the epoch's index"
            )

    def epoch(self, index: int) -> Iterator[Any]:
        """Yield the batches of this epoch. Ends an epoch that is still in progress.

        Raises FeedrateError if the epoch has no batches, or if it was interrupted by another one or by close().
        """
        self._end()
        if self._made is None:
            raise FeedrateError("epoch() was called after close(): open the loader again")
        self._current = batches = self._begin(index)
        delivered = False
        try:
            for batch in batches:
                delivered = True
                yield batch
            if self._current is not batches:
                raise FeedrateError("this epoch was interrupted: the loader was closed or another epoch was started")
        finally:
            if self._current is batches:
                self._end()
        if not delivered and self._config.rows_of(self._split.rows):
            raise FeedrateError(
                f"epoch {index} has no batches: can what make returned be iterated over only once? Make it a generator "
                "function, or return a function of the epoch's index"
            )

    def close(self) -> None:
        """End the epoch in progress, call the iterable's close() if it has one, and drop the iterable."""
        self._end()
        made, self._made, self._parts = self._made, None, []
        _close(made)

    def _end(self) -> None:
        current, self._current = self._current, None
        _close(current)

    def _make_anew(self, index: int) -> Iterator[Any]:
        seed = epoch_seed(self._config.seed, index)
        return iter(cast("Iterable[Any]", self._make(self._split, replace(self._config, seed=seed))))

    def _iterate_again(self, index: int) -> Iterator[Any]:
        begin_epoch(self._parts, self._config.seed, index)
        return iter(cast("Iterable[Any]", self._made))

    def _call(self, index: int) -> Iterator[Any]:
        batches = cast("Callable[[int], Any]", self._made)(index)
        if not hasattr(type(batches), "__iter__"):
            raise FeedrateError(
                f"the function that make returned gives {kind_of(batches)} for epoch {index}, but must return an iterable "
                "of batches"
            )
        return iter(batches)


class RankShard(Sampler[int]):
    """Every world_size-th position of a sampler's order, starting at the rank's. Ranks differ by one row at most."""

    def __init__(self, sampler: Sampler[int], config: LoaderConfig) -> None:
        self.sampler, self._config = sampler, config

    def __iter__(self) -> Iterator[int]:
        return islice(self.sampler, self._config.rank, None, self._config.world_size)

    def __len__(self) -> int:
        return self._config.rows_of(len(self.sampler))  # type: ignore[arg-type]


def epoch_seed(seed: int, epoch: int) -> int:
    """Return a seed of 32 bits for this epoch. NumPy's and torch's global generators take it, too."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint32)[0])


def is_iterator(made: object) -> bool:
    """Return whether an object can be iterated over only once, as a generator. One with set_epoch can be told to restart."""
    return hasattr(type(made), "__next__") and not hasattr(made, "set_epoch")


def parts_of(iterable: object) -> list[object]:
    """Return the iterable, its dataset, sampler and batch sampler, and theirs, each once."""
    found: list[object] = []
    level = [iterable]
    for _ in range(_DEPTH):
        level = [part for part in level if part is not None and all(part is not known for known in found)]
        found += level
        level = [getattr(part, name, None) for part in level for name in _PARTS]
    return found


def begin_epoch(parts: list[object], seed: int, epoch: int) -> None:
    """Call set_epoch(epoch) where it exists, and seed the generators of torch's samplers and DataLoaders."""
    for part in parts:
        set_epoch = getattr(part, "set_epoch", None)
        if callable(set_epoch):
            set_epoch(epoch)
        if isinstance(part, Sampler | DataLoader) and isinstance(
            getattr(part, "generator", ...), torch.Generator | None
        ):
            part.generator = order_generator(seed, epoch)  # type: ignore[union-attr]


def require_all_rows(loader: DataLoader[Any], split: Split, config: LoaderConfig) -> None:
    """Raise FeedrateError if a DataLoader has another batch size than the configuration, or drops the last rows."""
    cut = _batch_sampler(loader)
    size = loader.batch_size if cut is None else cut.batch_size
    if size is not None and size != config.batch_size:
        raise FeedrateError(
            f"make returned a DataLoader with batch_size={size}, but the batch size is {config.batch_size}: pass "
            "batch_size=config.batch_size"
        )
    rows = config.rows_of(split.rows)
    if (loader.drop_last if cut is None else cut.drop_last) and rows % config.batch_size:
        raise FeedrateError(
            f"make returned a DataLoader with drop_last=True, which loses {rows % config.batch_size} of {rows} rows: pass "
            "drop_last=False"
        )


def share_among_ranks(loader: DataLoader[Any], split: Split, config: LoaderConfig) -> None:
    """Give a DataLoader over all rows the shard of its rank. Samplers other than torch's plain ones are left alone."""
    cut = _batch_sampler(loader)
    if config.world_size == 1 or cut is None or type(cut.sampler) not in (RandomSampler, SequentialSampler):
        return
    if len(cut.sampler) == split.rows:  # type: ignore[arg-type]
        cut.sampler = RankShard(cut.sampler, config)  # type: ignore[arg-type]


def _batch_sampler(loader: DataLoader[Any]) -> BatchSampler | None:
    """Return the sampler that cuts the order into batches. With batch_size=None it may be the sampler itself."""
    for sampler in (loader.batch_sampler, loader.sampler):
        if isinstance(sampler, BatchSampler):
            return sampler
    return None


def _close(iterable: object) -> None:
    close = getattr(iterable, "close", None)
    if callable(close):
        close()
