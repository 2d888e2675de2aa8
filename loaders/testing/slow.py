"""A loader that is right, and slow in a known way: the truth that waits and their causes are checked against."""

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
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import Columns, batch_to, read_columns
from feedrate.loaders.toolkit.torch_workers import EpochSampler

Place = Literal["consumer", "thread", "worker"]
Kind = Literal["sleep", "burn"]
Pattern = Literal["constant", "bursty", "start"]
BURST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowOptions:
    delay_s: float = 0.0
    """A batch, on average."""
    kind: str = "sleep"
    """sleep, or burn: compute for so long."""
    pattern: str = "constant"
    """constant; bursty: four delays before every fourth batch; start: before the first batch of epoch 0 only."""
    place: str = "consumer"
    """consumer, thread (one that runs ahead by a batch), or worker (a DataLoader's process)."""
    copies: int = 1
    """Times that a batch is sent to a GPU, each time from memory that is not pinned."""
    truth: str = ""
    """A file to which each batch adds a line: its epoch, and the seconds it really took to make, delay included; the first
    one of an epoch from when the epoch was asked for, so that what it takes to wake a worker is known, too."""

    def __post_init__(self) -> None:
        for name, accepted in (("kind", Kind), ("pattern", Pattern), ("place", Place)):
            if getattr(self, name) not in get_args(accepted):
                raise FeedrateError(
                    f"{name} of the slow loader is {getattr(self, name)!r}, but must be one of {', '.join(get_args(accepted))}"
                )
        if not 0 <= self.delay_s < inf:
            raise FeedrateError(f"delay_s of the slow loader is {self.delay_s:g}, but must be at least 0 and finite")
        if self.copies < 1:
            raise FeedrateError(f"copies of the slow loader is {self.copies}, but must be at least 1")


class SlowLoader:
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
                collate_fn=_as_it_is,
            )

    def epoch(self, index: int) -> Iterator[Batch]:
        self._order.epoch, self._order.asked = index, time.monotonic()
        for arrays in self._source():
            batch = arrays.map(torch.from_numpy)
            for _ in range(self._copies - 1):
                batch_to(batch, self._config.device)
            yield batch_to(batch, self._config.device)

    def close(self) -> None:
        self._workers = None

    def _source(self) -> Iterator[Any]:
        if self._workers is not None:
            return iter(self._workers)
        batches = (self._items[item] for item in self._order)
        return ahead(batches) if self._place == "thread" else batches


class SlowItems(Dataset[Any]):
    """An item is a batch, asked for by what NumberedBatches yields.

    As NumPy arrays: handing five tensors to another process takes it some 4 ms, which are no part of the delay.
    """

    def __init__(self, columns: Columns, options: SlowOptions) -> None:
        self._columns, self._options = columns, options
        self._truth: IO[str] | None = None

    def __getitem__(self, item: tuple[int, int, float, np.ndarray]) -> Any:
        epoch, number, asked, rows = item
        begin = time.monotonic() if number else asked
        delay(self._options.kind, delay_due(self._options, epoch, number))
        batch = self._columns.take(torch.from_numpy(rows))
        self._note(epoch, time.monotonic() - begin)
        return batch.map(torch.Tensor.numpy)  # type: ignore[arg-type]

    def _note(self, epoch: int, took_s: float) -> None:
        if self._options.truth:
            # opened where it is used first: that may be a worker process
            self._truth = self._truth or Path(self._options.truth).open("a", buffering=1)  # noqa: SIM115
            self._truth.write(f"{epoch} {took_s}\n")


def _as_it_is(item: Any) -> Any:
    """DataLoader's own way makes tensors of arrays, in the worker."""
    return item


def delay_due(options: SlowOptions, epoch: int, number: int) -> float:
    """Seconds before this batch."""
    if options.pattern == "start":
        return options.delay_s if epoch == 0 and number == 0 else 0.0
    if options.pattern == "bursty":
        return BURST * options.delay_s if number % BURST == 0 else 0.0
    return options.delay_s


def delay(kind: str, seconds: float) -> None:
    if kind == "sleep":
        time.sleep(seconds)
        return
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


class NumberedBatches(Sampler[Any]):
    """(epoch, number, when the epoch was asked for, row positions) of each batch."""

    def __init__(self, order: EpochSampler, batch_size: int) -> None:
        self._order, self._batch_size = order, batch_size
        self.epoch = 0
        self.asked = 0.0

    def __iter__(self) -> Iterator[tuple[int, int, float, np.ndarray]]:
        self._order.epoch = self.epoch
        rows = self._order.order().copy()  # no tensor: passing one to a worker takes 2 ms
        for number, start in enumerate(range(0, len(rows), self._batch_size)):
            yield self.epoch, number, self.asked, rows[start : start + self._batch_size]


def ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """The same, made by a thread that is one batch ahead."""
    ready: queue.Queue[Any] = queue.Queue(maxsize=1)
    left = threading.Event()

    def fill() -> None:
        for batch in batches:
            while not left.is_set():
                try:
                    ready.put(batch, timeout=0.1)
                    break
                except queue.Full:
                    continue
            if left.is_set():
                return
        ready.put(None)

    threading.Thread(target=fill, daemon=True).start()
    try:
        while (batch := ready.get()) is not None:
            yield batch
    finally:
        left.set()


def _open(split: Split, config: LoaderConfig, options: SlowOptions) -> Loader:
    return SlowLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=SlowOptions, backend=lambda _device: "delays of known length, for tests")
