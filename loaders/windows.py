"""A window of rows in memory, mixed: on the CPU a batch at a time, on a GPU whole, by the resident batcher's kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

import torch

from feedrate.loaders.base import Batch, LoaderConfig
from feedrate.loaders.columns import Columns, draw_order, join
from feedrate.loaders.packing import Layout
from feedrate.loaders.resident import DeviceRows, Epoch, Kernels, hand_over, new_stream

Mixed = TypeVar("Mixed")


class Mixer(Protocol, Generic[Mixed]):
    def mix(self, parts: Sequence[Columns], seed: int) -> Mixed:
        """In the reader's thread: parts, one after the other, in an order fixed by the seed. They may be freed afterwards."""
        ...

    def batches(self, mixed: Mixed, first: int) -> Iterator[Batch]:
        """In the consumer's: the window's batches from number `first` on."""
        ...


class HostMixer:
    def __init__(self, config: LoaderConfig) -> None:
        self._config = config

    def mix(self, parts: Sequence[Columns], seed: int) -> tuple[Columns, torch.Tensor]:
        columns = join(parts)
        if not self._config.shuffle:
            return columns, torch.arange(columns.rows)
        return columns, draw_order(columns.rows, torch.Generator().manual_seed(seed)).long()

    def batches(self, mixed: tuple[Columns, torch.Tensor], first: int) -> Iterator[Batch]:
        (columns, order), size = mixed, self._config.batch_size
        for start in range(first * size, columns.rows, size):
            yield columns.take(order[start : start + size])


class DeviceMixer:
    """All of its work is on one stream, beside the consumer's."""

    def __init__(self, layout: Layout, config: LoaderConfig, device: str, kernels: Kernels) -> None:
        """layout: of any rows of the schema; kernels: compiled for it."""
        self._layout, self._config, self._kernels = layout, config, kernels
        self._device = torch.device(device)
        self._stream = new_stream(self._device)

    def mix(self, parts: Sequence[Columns], seed: int) -> Epoch:
        if self._stream is None:
            return self._mix(join(parts), seed)
        with torch.cuda.stream(self._stream):
            columns = join(parts)
            self._stream.synchronize()  # whoever decoded the parts takes their memory back on another stream
            return self._mix(columns, seed)

    def batches(self, mixed: Epoch, first: int) -> Iterator[Batch]:
        count, size = len(mixed.flat[-1]), self._config.batch_size
        return hand_over(mixed, self._device).cut(self._layout, size, first, -(-count // size))

    def _mix(self, columns: Columns, seed: int) -> Epoch:
        whole = replace(self._config, seed=seed, rank=0, world_size=1)
        return DeviceRows(columns, self._layout, whole, str(self._device), self._kernels, self._stream).start(0)
