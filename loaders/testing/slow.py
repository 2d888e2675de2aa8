"""A correct loader with known delays, against which measured waits and their causes are checked."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import IO, Any, Literal, get_args

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError, require_choice
from feedrate.loaders.parquet.columns import Columns, batch_to, read_columns
from feedrate.loaders.toolkit.torch_workers import EpochSampler

Place = Literal["consumer", "thread", "worker"]
Kind = Literal["sleep", "burn"]
Pattern = Literal["constant", "bursty", "start"]
BURST = 4
"""Batches in a burst: with the bursty pattern, their delays come together before the first of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowOptions:
    """Options of the slow loader. Raises FeedrateError for an invalid value."""

    delay_s: float = 0.0
    """Average delay per batch in seconds."""
    kind: str = "sleep"
    """How to spend the delay: sleep, or burn (keep a core busy)."""
    pattern: str = "constant"
    """When to delay.

    constant: before every batch. bursty: four delays before every fourth batch. start: before epoch 0's first batch.
    """
    place: str = "consumer"
    """Where batches are made: consumer, thread (runs one batch ahead), or worker (a process of a DataLoader)."""
    copies: int = 1
    """How often each batch is copied to the device, each time from memory that is not pinned."""
    truth: str = ""
    """File to which each batch appends a line: its epoch and the seconds it took to make, delay included. "": no file.

    For the first batch of an epoch, the time starts at the request for the epoch, so it includes waking a worker.
    """

    def __post_init__(self) -> None:
        for name, accepted in (("kind", Kind), ("pattern", Pattern), ("place", Place)):
            require_choice(f"{name} of the slow loader", getattr(self, name), get_args(accepted))
        if not 0 <= self.delay_s < inf:
            raise FeedrateError(f"delay_s of the slow loader is {self.delay_s:g}, but must be at least 0 and finite")
        if self.copies < 1:
            raise FeedrateError(f"copies of the slow loader is {self.copies}, but must be at least 1")


class SlowLoader:
    """Makes batches with the planned delays, in the consumer's thread, another thread, or a worker process."""

    def __init__(self, split: Split, config: LoaderConfig, options: SlowOptions) -> None:
        self._config, self._place, self._copies = config, options.place, options.copies
        self._items = SlowItems(read_columns(split), options)
        self._order = NumberedBatches(EpochSampler(split.rows, config), config.batch_size)
        self._workers: DataLoader[Any] | None = None
        if options.place == "worker":
            self._workers = DataLoader(
                self._items,
                batch_size=None,
                sampler=self._order,
                num_workers=1,
                persistent_workers=True,
                prefetch_factor=2,
                collate_fn=_unchanged,
            )

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        self._order.epoch, self._order.requested_s = index, time.monotonic()
        for arrays in self._source():
            batch = arrays.map(torch.from_numpy)
            for _ in range(self._copies - 1):
                batch_to(batch, self._config.device)
            yield batch_to(batch, self._config.device)

    def close(self) -> None:
        """Drop the DataLoader, which ends its worker."""
        self._workers = None

    def _source(self) -> Iterator[Any]:
        if self._workers is not None:
            return iter(self._workers)
        batches = (self._items[item] for item in self._order)
        return ahead(batches) if self._place == "thread" else batches


class SlowItems(Dataset[Any]):
    """A Dataset whose index is what NumberedBatches yields and whose item is the batch, after its delay.

    Batches hold NumPy arrays: passing five tensors to another process takes about 4 ms, which would add to the delay.
    """

    def __init__(self, columns: Columns, options: SlowOptions) -> None:
        self._columns, self._options = columns, options
        self._truth: IO[str] | None = None

    def __getitem__(self, item: tuple[int, int, float, np.ndarray]) -> Any:
        epoch, number, requested_s, rows = item
        begin_s = time.monotonic() if number else requested_s
        delay(self._options.kind, delay_due(self._options, epoch, number))
        batch = self._columns.take(torch.from_numpy(rows))
        self._write_truth(epoch, time.monotonic() - begin_s)
        return batch.map(torch.Tensor.numpy)  # type: ignore[arg-type]

    def _write_truth(self, epoch: int, took_s: float) -> None:
        if self._options.truth:
            # opened on first use, because that may be in a worker process
            self._truth = self._truth or Path(self._options.truth).open("a", buffering=1)  # noqa: SIM115
            self._truth.write(f"{epoch} {took_s}\n")


def _unchanged(item: Any) -> Any:
    """Return the item unchanged. The DataLoader's own function would turn arrays into tensors in the worker."""
    return item


def delay_due(options: SlowOptions, epoch: int, number: int) -> float:
    """Return the delay in seconds before batch `number` of `epoch`, counted from 0."""
    if options.pattern == "start":
        return options.delay_s if epoch == 0 and number == 0 else 0.0
    if options.pattern == "bursty":
        return BURST * options.delay_s if number % BURST == 0 else 0.0
    return options.delay_s


def delay(kind: str, seconds: float) -> None:
    """Sleep, or with kind "burn" keep a core busy, for so many seconds."""
    if kind == "sleep":
        time.sleep(seconds)
        return
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


class NumberedBatches(Sampler[Any]):
    """Yields (epoch, number, time at which the epoch was requested, row positions) for each batch."""

    def __init__(self, order: EpochSampler, batch_size: int) -> None:
        self._order, self._batch_size = order, batch_size
        self.epoch = 0
        self.requested_s = 0.0
        """time.monotonic() at the request for the epoch."""

    def __iter__(self) -> Iterator[tuple[int, int, float, np.ndarray]]:
        self._order.epoch = self.epoch
        rows = self._order.order().copy()  # an array, because passing a tensor to a worker takes 2 ms
        for number, start in enumerate(range(0, len(rows), self._batch_size)):
            yield self.epoch, number, self.requested_s, rows[start : start + self._batch_size]


def ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield the same batches, made by a thread that runs one batch ahead."""
    ready: queue.Queue[Any] = queue.Queue(maxsize=1)
    abandoned = threading.Event()

    def fill() -> None:
        for batch in batches:
            while not abandoned.is_set():
                try:
                    ready.put(batch, timeout=0.1)
                    break
                except queue.Full:
                    continue
            if abandoned.is_set():
                return
        ready.put(None)

    threading.Thread(target=fill, daemon=True).start()
    try:
        while (batch := ready.get()) is not None:
            yield batch
    finally:
        abandoned.set()


def _open(split: Split, config: LoaderConfig, options: SlowOptions) -> Loader:
    return SlowLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=SlowOptions, backend=lambda _device: "delays of known length, for tests")
