"""A simple loader for tests, without a library. It is correct unless told otherwise, and as slow as its options say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Split
from feedrate.loaders.parquet.columns import batch_to, read_columns
from feedrate.loaders.toolkit.torch_workers import EpochSampler


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeOptions:
    """Options of the fake loader."""

    delay_s: float = 0.0
    """Seconds to sleep before each batch."""
    fail_at_batch: int = -1
    """Number of the batch, from 0, at which every epoch raises. -1: never."""
    drop_rows: int = 0
    """Rows left out of the first batch of every epoch: a planted fault for the correctness gate."""


class FakeLoader:
    """Gathers batches from columns in host memory, in the consumer's thread."""

    def __init__(self, split: Split, config: LoaderConfig, options: FakeOptions) -> None:
        self._columns, self._config, self._options = read_columns(split), config, options
        self._order = EpochSampler(split.rows, config)

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield the rows of the shard in the order of (seed, index). Raises RuntimeError at batch `fail_at_batch`."""
        config, options = self._config, self._options
        self._order.epoch = index
        order = torch.from_numpy(self._order.order().copy())
        for number, start in enumerate(range(0, len(order), config.batch_size)):
            if number == options.fail_at_batch:
                raise RuntimeError(f"the fake loader was told to fail at batch {number}")
            time.sleep(options.delay_s)
            rows = order[start + (options.drop_rows if number == 0 else 0) : start + config.batch_size]
            yield batch_to(self._columns.take(rows), config.device)

    def close(self) -> None:
        """Do nothing: there is nothing to stop or free."""


def _open(split: Split, config: LoaderConfig, options: FakeOptions) -> Loader:
    return FakeLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=FakeOptions, backend=lambda _device: "index lists and sleep, for tests")
