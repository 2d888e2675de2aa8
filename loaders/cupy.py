"""Our own batcher: the shard's columns in device memory, shuffled whole once an epoch; a batch is then a slice.

One code for two array libraries: CuPy where the device is CUDA, NumPy on the CPU. Batches reach torch through DLPack
without a copy, on the consumer's current stream.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.dlpack import from_dlpack

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, NoOptions, Split
from feedrate.loaders.columns import Columns, epoch_order, read_columns
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable

# One thread a row: the bags are short (2.7 ids on average in MovieLens), so a row's values lie in one or two sectors.
GATHER_BAGS = r"""
extern "C" __global__ void gather_bags(
    const int* __restrict__ values, const OFFSET* __restrict__ offsets, const long long* __restrict__ rows,
    const OFFSET* __restrict__ taken, int* __restrict__ out, long long count)
{
    long long row = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (row >= count) return;
    OFFSET from = offsets[rows[row]], to = taken[row], length = taken[row + 1] - to;
    for (OFFSET k = 0; k < length; ++k) out[to + k] = values[from + k];
}
"""


class CupyLoader:
    """Every row exactly once an epoch, in an order fixed by (seed, epoch, rank).

    Holds the shard twice while an epoch runs: as read, and shuffled. Batches are views of the shuffled copy, which lives
    as long as any of them.
    """

    def __init__(self, split: Split, config: LoaderConfig) -> None:
        self._config = config
        self._arrays = NumpyArrays() if config.device == "cpu" else CupyArrays(config.device)
        columns = read_columns(split)
        _refuse_over_budget(columns, config.memory_budget_bytes)
        put = self._arrays.put
        with self._arrays.on_consumer_stream():
            self._flat = [
                put(column.numpy()) for column in (*columns.ids.values(), *columns.dense.values(), columns.label)
            ]
            self._bags = {
                name: (put(values.numpy()), put(offsets.numpy())) for name, (values, offsets) in columns.bags.items()
            }
        self._ids, self._dense = list(columns.ids), list(columns.dense)
        self._rows = columns.rows

    def epoch(self, index: int) -> Iterator[Batch]:
        with self._arrays.on_consumer_stream():
            shuffled = self._shuffled(index)
        for start in range(0, shuffled.rows, self._config.batch_size):
            yield shuffled.batch(start)

    def close(self) -> None:
        self._flat, self._bags = [], {}
        self._arrays.free()

    def _shuffled(self, epoch: int) -> Shuffled:
        arrays, config = self._arrays, self._config
        if config.shuffle:
            rows = arrays.permutation(self._rows, seed=config.seed, epoch=epoch)
        else:
            rows = arrays.xp.arange(self._rows, dtype=arrays.xp.int64)
        rows = rows[config.rank :: config.world_size]
        if config.world_size > 1:
            rows = arrays.xp.ascontiguousarray(rows)
        tensors = [arrays.torch(column[rows]) for column in self._flat]
        bags = {name: self._shuffle_bags(values, offsets, rows) for name, (values, offsets) in self._bags.items()}
        ids = dict(zip(self._ids, tensors, strict=False))
        dense = dict(zip(self._dense, tensors[len(ids) :], strict=False))
        return Shuffled(ids, bags, dense, tensors[-1], config.batch_size)

    def _shuffle_bags(self, values: Any, offsets: Any, rows: Any) -> ShuffledBags:
        arrays, size = self._arrays, self._config.batch_size
        lengths = offsets[rows + 1] - offsets[rows]
        taken = arrays.xp.zeros(len(rows) + 1, dtype=offsets.dtype)
        arrays.xp.cumsum(lengths, out=taken[1:])
        bounds = arrays.host(arrays.xp.concatenate([taken[::size], taken[-1:]])).tolist()
        out = arrays.gather_bags(values, offsets, rows, taken, bounds[-1])
        return ShuffledBags(arrays.torch(out), arrays.torch(rebase(arrays.xp, taken, size)), bounds)


def _refuse_over_budget(columns: Columns, budget_bytes: int | None) -> None:
    if budget_bytes is None:
        return
    needed = 2 * sum(tensor.nbytes for tensor in columns.slice(0, columns.rows).tensors())
    if needed > budget_bytes:
        raise FeedrateError(
            f"cupy holds the shard twice, {needed:,} bytes, over the memory budget of {budget_bytes:,}: raise --memory-budget"
        )


@dataclass(frozen=True, slots=True)
class ShuffledBags:
    values: torch.Tensor
    """int32 [N]: the epoch's values, row after row."""
    offsets: torch.Tensor
    """int32 [rows + batches]: B + 1 offsets a batch, each batch's starting at 0."""
    bounds: list[int]
    """Position in `values` where each batch starts; on the host."""


@dataclass(frozen=True, slots=True)
class Shuffled:
    """One epoch's rows in order; a batch is a slice of each column."""

    ids: Mapping[str, torch.Tensor]
    bags: Mapping[str, ShuffledBags]
    dense: Mapping[str, torch.Tensor]
    label: torch.Tensor
    size: int

    @property
    def rows(self) -> int:
        return self.label.shape[0]

    def batch(self, start: int) -> Batch:
        stop = min(start + self.size, self.rows)
        number = start // self.size
        return Batch(
            {name: column[start:stop] for name, column in self.ids.items()},
            {
                name: (
                    bags.values[bags.bounds[number] : bags.bounds[number + 1]],
                    bags.offsets[start + number : stop + number + 1],
                )
                for name, bags in self.bags.items()
            },
            {name: column[start:stop] for name, column in self.dense.items()},
            self.label[start:stop],
        )


def rebase(xp: Any, taken: Any, size: int) -> Any:
    """Offsets into the epoch [rows + 1] -> int32 offsets into each batch [rows + batches]; B + 1 for each batch of B rows."""
    rows = len(taken) - 1
    full = rows // size
    step = taken.strides[0]
    windows = xp.lib.stride_tricks.as_strided(taken, (full, size + 1), (size * step, step))
    parts = [(windows - windows[:, :1]).astype(np.int32).ravel()]
    if rows % size:
        parts.append((taken[full * size :] - taken[full * size]).astype(np.int32))
    return xp.concatenate(parts)


class NumpyArrays:
    """The CPU's side of the two array libraries."""

    xp: Any = np

    def put(self, array: np.ndarray) -> np.ndarray:
        return array

    def host(self, array: np.ndarray) -> np.ndarray:
        return array

    def torch(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array)

    def permutation(self, rows: int, *, seed: int, epoch: int) -> Any:
        return epoch_order(rows, shuffle=True, seed=seed, epoch=epoch)

    def gather_bags(
        self, values: np.ndarray, offsets: np.ndarray, rows: np.ndarray, taken: np.ndarray, total: int
    ) -> np.ndarray:
        positions = np.repeat(offsets[rows] - taken[:-1], np.diff(taken))
        positions += np.arange(total, dtype=positions.dtype)
        taken_values: np.ndarray = values[positions]
        return taken_values

    def on_consumer_stream(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext()

    def free(self) -> None:
        """NumPy frees with the last reference."""


class CupyArrays:
    """The device's side. All work is enqueued on torch's current stream, so nothing has to be waited for."""

    def __init__(self, device: str) -> None:
        self.xp: Any = import_cupy()
        self._device = torch.device(device)
        self._kernels: dict[str, Any] = {}

    def put(self, array: np.ndarray) -> Any:
        return self.xp.asarray(array)

    def host(self, array: Any) -> np.ndarray:
        return self.xp.asnumpy(array)  # type: ignore[no-any-return]

    def torch(self, array: Any) -> torch.Tensor:
        return from_dlpack(array)

    def permutation(self, rows: int, *, seed: int, epoch: int) -> Any:
        # RandomState takes 32 bits; SeedSequence spreads (seed, epoch) over them
        word = int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])
        return self.xp.random.RandomState(word).permutation(rows)

    def gather_bags(self, values: Any, offsets: Any, rows: Any, taken: Any, total: int) -> Any:
        out = self.xp.empty(total, dtype=np.int32)
        kernel = self._kernel("int" if offsets.dtype == np.int32 else "long long")
        kernel((-(-len(rows) // 256),), (256,), (values, offsets, rows, taken, out, np.int64(len(rows))))
        return out

    @contextlib.contextmanager
    def on_consumer_stream(self) -> Iterator[None]:
        stream = torch.cuda.current_stream(self._device)
        with self.xp.cuda.Device(stream.device_index), self.xp.cuda.ExternalStream(stream.cuda_stream):
            yield

    def free(self) -> None:
        self.xp.get_default_memory_pool().free_all_blocks()

    def _kernel(self, offset: str) -> Any:
        if offset not in self._kernels:
            self._kernels[offset] = self.xp.RawKernel(GATHER_BAGS.replace("OFFSET", offset), "gather_bags")
        return self._kernels[offset]


def import_cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise LoaderUnavailable(
            "CuPy is not installed: `pip install 'feedrate[cuda]'` brings it for CUDA 13"
        ) from error
    return cupy


def backend(device: str) -> str:
    if device == "cpu":
        return f"NumPy {np.__version__}, columns in host memory (the same code, no CUDA device)"
    return f"CuPy {import_cupy().__version__}, columns in device memory"


def _open(split: Split, config: LoaderConfig, _options: NoOptions) -> Loader:
    return CupyLoader(split, config)


ADAPTER = Adapter(open=_open, options=NoOptions, backend=backend)
