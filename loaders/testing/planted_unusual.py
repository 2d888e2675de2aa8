"""Loaders that are right but unusual. No rule, gate or flag may complain about one."""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor

from feedrate.loaders.base import Batch
from feedrate.loaders.parquet.columns import Columns, join
from feedrate.loaders.testing.fault import Fault, Planted, to_device

AHEAD = 2
"""Batches that the thread of `thread_ahead` prepares."""
SLOW_START_S = 0.2
"""Seconds that `slow_start` sleeps before the first batch of its first epoch."""


def _int64_ids(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    wide = (replace(batch, ids={name: ids.long() for name, ids in batch.ids.items()}) for batch in batches)
    return to_device(loader, wide, epoch)


def _int64_bags(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    def wide(batch: Batch) -> Batch:
        return replace(batch, bags={name: (bag[0].long(), bag[1].long()) for name, bag in batch.bags.items()})

    return to_device(loader, map(wide, batches), epoch)


def _strided(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    """Yield every second element of tensors that are twice as long."""
    for batch in to_device(loader, batches, epoch):
        yield batch.map(lambda tensor: torch.stack([tensor, tensor], dim=1)[:, 0])


def _epoch_views(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    """Gather the whole epoch first, and yield views of it."""
    sizes: list[int] = []
    parts: list[Columns] = []
    for batch in to_device(loader, batches, epoch):
        sizes.append(batch.rows)
        parts.append(Columns(batch.ids, batch.bags, batch.dense, batch.label))
    columns, start = join(parts), 0
    for size in sizes:
        yield columns.slice(start, start + size)
        start += size


def _as_list(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    """Return a list, which is iterable but no iterator."""
    return cast("Iterator[Batch]", list(to_device(loader, batches, epoch)))


def _thread_ahead(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    ready: queue.Queue[Batch | None] = queue.Queue(AHEAD)
    stopped = threading.Event()

    def put(item: Batch | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.05)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        if all(put(batch) for batch in to_device(loader, batches, epoch)):
            put(None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (batch := ready.get()) is not None:
            yield batch
    finally:
        stopped.set()
        thread.join()


def _buffers_recycled(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    """Write labels to buffers that are used again, but each only after the consumer has dropped the tensor over it."""
    free: list[Tensor] = loader.notes.setdefault("free", [])
    for batch in to_device(loader, batches, epoch):
        rows = batch.rows
        buffer = free.pop() if free else torch.empty(loader.config.batch_size, device=loader.config.device)
        label = buffer[:rows]
        label.copy_(batch.label)
        weakref.finalize(label, free.append, buffer).atexit = False
        handed = replace(batch, label=label)
        del batch, label, buffer
        yield handed
        del handed


def _slow_start(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    if not loader.notes.get("started"):
        loader.notes["started"] = True
        time.sleep(SLOW_START_S)
    return to_device(loader, batches, epoch)


def _other_mappings(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    for batch in to_device(loader, batches, epoch):
        yield replace(batch, ids=MappingProxyType(dict(batch.ids)), dense=MappingProxyType(dict(batch.dense)))


def _bags_as_lists(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    for batch in to_device(loader, batches, epoch):
        bags: dict[str, Any] = {name: list(bag) for name, bag in batch.bags.items()}
        yield replace(batch, bags=bags)


def _one_allocation(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    """Yield tensors that all lie in one allocation, a new one for each batch."""
    for batch in to_device(loader, batches, epoch):
        tensors = batch.tensors()
        memory = torch.cat([tensor.view(torch.uint8) for tensor in tensors])
        parts = torch.split(memory, [tensor.nbytes for tensor in tensors])
        views = iter([part.view(tensor.dtype) for part, tensor in zip(parts, tensors, strict=True)])
        ids = {name: next(views) for name in batch.ids}
        bags = {name: (next(views), next(views)) for name in batch.bags}
        dense = {name: next(views) for name in batch.dense}
        yield Batch(ids, bags, dense, next(views))


UNUSUAL: dict[str, Fault] = {
    "int64_ids": Fault(batches=_int64_ids),
    "int64_bags": Fault(batches=_int64_bags),
    "strided": Fault(batches=_strided),
    "epoch_views": Fault(batches=_epoch_views),
    "as_list": Fault(batches=_as_list),
    "thread_ahead": Fault(batches=_thread_ahead),
    "buffers_recycled": Fault(batches=_buffers_recycled),
    "slow_start": Fault(batches=_slow_start),
    "other_mappings": Fault(batches=_other_mappings),
    "bags_as_lists": Fault(batches=_bags_as_lists),
    "one_allocation": Fault(batches=_one_allocation),
}
"""Right loaders, planted in the same way as faults."""
