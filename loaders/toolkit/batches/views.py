"""Cuts a block of rows into batches that are views of it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from feedrate.loaders.base import Batch


def batch_views(block: Batch, batch_size: int) -> Iterator[Batch]:
    """Yield the block's rows as batches of batch_size rows. The last one may be shorter.

    All views are made at once, in a few microseconds a batch. A batch that is kept keeps the memory of the block.
    On a GPU the host waits once for each bag column, to learn where the bags of each batch begin.
    """
    if not block.rows:
        return
    ids = [torch.split(column, batch_size) for column in block.ids.values()]
    bags = [_bag_views(values, offsets, batch_size) for values, offsets in block.bags.values()]
    dense = [torch.split(column, batch_size) for column in block.dense.values()]
    for number, label in enumerate(torch.split(block.label, batch_size)):
        yield Batch(
            {name: views[number] for name, views in zip(block.ids, ids, strict=True)},
            {name: views[number] for name, views in zip(block.bags, bags, strict=True)},
            {name: views[number] for name, views in zip(block.dense, dense, strict=True)},
            label,
        )


def _bag_views(values: Tensor, offsets: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """Cut bags into batches of `size` rows. The offsets of each batch begin at 0."""
    full, last = divmod(len(offsets) - 1, size)
    offsets = offsets.contiguous()
    # row i holds the offsets of batch i: its last one is the first of row i + 1
    of_batches = offsets.as_strided((full, size + 1), (size, 1), offsets.storage_offset())
    local = list(_from_zero(of_batches).unbind(0))
    if last:
        local.append(offsets[full * size :] - offsets[full * size])
    bounds = torch.cat([offsets[::size], offsets[-1:]]).tolist()
    return [(values[begin:end], own) for begin, end, own in zip(bounds, bounds[1:], local, strict=False)]


def _from_zero(offsets: Tensor) -> Tensor:
    """Subtract the first offset of each row. On the CPU in one thread: waiting for others would take longer."""
    if offsets.device.type != "cpu":
        return offsets - offsets[:, :1]
    rows = offsets.numpy()
    return torch.from_numpy(rows - rows[:, :1])
