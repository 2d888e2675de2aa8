"""All columns as tensors on the device, shuffled there: what a good engineer writes with torch alone.

The advice is that of PyTorch's performance tuning guide: create tensors on the device and avoid waiting for it.
https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html

    permutation = torch.randperm(rows, generator=generator, device=device)
    user, item, label = (column[permutation] for column in columns)
    for batch in zip(user.split(batch_size), item.split(batch_size), label.split(batch_size)): ...

The rows of an epoch are gathered at once, or in blocks if memory is short. Batches are views of a block.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, NoOptions, Split
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable
from feedrate.loaders.phases import phase
from feedrate.loaders.toolkit import Columns, batch_views, read_columns, seed_of

MAX_BATCHES = 4096
"""Batches of a block at most. Their views are Python objects, which would fill host memory for tiny batches."""
BLOCKS = 3
"""Blocks in memory at a time: the one that is consumed, the next one, and positions of values while it is gathered."""
RANDPERM_BYTES = {"cpu": 4, "cuda": 36}
"""Memory that drawing a permutation takes per row. On a GPU torch sorts random keys of 8 bytes."""


class TorchResidentLoader:
    """Draws each epoch's permutation on the device and gathers the rows there."""

    def __init__(self, split: Split, config: LoaderConfig, _options: NoOptions) -> None:
        backend(config.device)
        self._config, self._schema = config, split.schema
        self._columns: Columns | None = read_columns(split)
        self._block_rows = _block_rows(self._columns, config)
        self._columns = self._columns.to(config.device)

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once. The order is fixed by (seed, index) and the kind of device."""
        assert self._columns is not None, "epoch() after close()"
        with phase("shuffle", self._columns.rows):
            order = self._order(index, self._columns.rows)
        for positions in torch.split(order, self._block_rows):
            with phase("shuffle", len(positions)):
                block = self._columns.take(positions)
            yield from batch_views(block, self._config.batch_size)
            del block

    def close(self) -> None:
        """Free the columns."""
        self._columns = None

    def _order(self, epoch: int, rows: int) -> Tensor:
        config = self._config
        dtype = torch.int32 if rows < 2**31 else torch.int64
        if not config.shuffle:
            return torch.arange(config.rank, rows, config.world_size, dtype=dtype, device=config.device)
        generator = torch.Generator(config.device).manual_seed(seed_of(config.seed, epoch))
        order = torch.randperm(rows, generator=generator, dtype=dtype, device=config.device)
        return order if config.world_size == 1 else order[config.rank :: config.world_size].contiguous()


def _block_rows(columns: Columns, config: LoaderConfig) -> int:
    """Return the rows of a block: a multiple of batch_size that fits into the memory that the columns leave."""
    device = torch.device(config.device)
    budget = config.memory_budget_bytes
    if budget is None and device.type == "cuda":
        budget = torch.cuda.mem_get_info(device)[0]
    most = MAX_BATCHES * config.batch_size
    if budget is None:
        return most
    tensors = Batch(columns.ids, columns.bags, columns.dense, columns.label).tensors()
    resident = sum(tensor.nbytes for tensor in tensors)
    row_bytes = BLOCKS * resident // max(columns.rows, 1) + 1
    left = budget - resident - RANDPERM_BYTES[device.type] * columns.rows
    batches = left // (row_bytes * config.batch_size)
    if batches < 1:
        needed = budget - left + row_bytes * config.batch_size
        raise FeedrateError(
            f"torch-resident keeps all rows in memory, which takes {needed:,} bytes, but may use {budget:,}: "
            "use cupy, which streams, or raise --memory-budget"
        )
    return min(batches * config.batch_size, most)


def backend(device: str) -> str:
    """Return torch's version and where the rows are. Raises LoaderUnavailable if torch sees no such device."""
    if device == "cpu":
        return f"torch {torch.__version__}, columns in host memory"
    if int(device[5:] or 0) >= torch.cuda.device_count():
        raise LoaderUnavailable(
            f"torch-resident needs {device}, but torch sees {torch.cuda.device_count()} CUDA device(s)"
        )
    return f"torch {torch.__version__}, columns in device memory"


def _open(split: Split, config: LoaderConfig, options: NoOptions) -> Loader:
    return TorchResidentLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=NoOptions, backend=backend, reads_stores=True)
