"""Faults in the order, in some epochs, on some ranks or in the form of batches, which a rule of conformance must catch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch

from feedrate.loaders.base import Batch
from feedrate.loaders.testing.fault import Fault, Planted, right_order, to_device

BLOCK = 32
"""Rows of the file that the fault `blocks_kept` moves together."""
WORKERS = 4
"""Workers that the fault `workers_one_seed` imitates."""


def _rotated(loader: Planted, epoch: int) -> np.ndarray:
    order = right_order(loader, 0)
    return np.roll(order, 37 * epoch) if loader.config.shuffle else order


def _reversed(loader: Planted, epoch: int) -> np.ndarray:
    order = right_order(loader, 0)
    return order[::-1].copy() if epoch % 2 and loader.config.shuffle else order


def _few_swaps(loader: Planted, epoch: int) -> np.ndarray:
    order = right_order(loader, 0)
    if not loader.config.shuffle:
        return order
    moved = np.random.default_rng(epoch).choice(len(order), len(order) // 8, replace=False)
    order[moved] = order[np.roll(moved, 1)]
    return order


def _same_batches(loader: Planted, epoch: int) -> np.ndarray:
    """Shuffle the batches of epoch 0, and the rows in each of them."""
    order, size = right_order(loader, 0), loader.config.batch_size
    if not loader.config.shuffle:
        return order
    rng = np.random.default_rng(epoch)
    full = len(order) // size
    batches = [rng.permutation(order[number * size : (number + 1) * size]) for number in rng.permutation(full)]
    return np.concatenate([*batches, order[full * size :]])


def _alternate(loader: Planted, epoch: int) -> np.ndarray:
    return right_order(loader, epoch % 2)


def _blocks(loader: Planted, epoch: int) -> np.ndarray:
    order = right_order(loader, 0, shuffle=False)
    if not loader.config.shuffle:
        return order
    blocks = np.array_split(order, max(1, len(order) // BLOCK))
    places = np.random.default_rng((loader.config.seed, epoch)).permutation(len(blocks))
    return np.concatenate([blocks[place] for place in places])


def _workers(loader: Planted, epoch: int) -> np.ndarray:
    """Interleave the batches of workers that each shuffle a part of the file with the same seed."""
    order, size = right_order(loader, 0, shuffle=False), loader.config.batch_size
    if not loader.config.shuffle:
        return order
    parts = [
        np.random.default_rng((loader.config.seed, epoch)).permutation(part) for part in np.array_split(order, WORKERS)
    ]
    starts = range(0, len(parts[0]), size)
    return np.concatenate([part[start : start + size] for start in starts for part in parts])


def _halves_kept(loader: Planted, epoch: int) -> np.ndarray:
    """Deliver the rows with even numbers first."""
    order = right_order(loader, epoch)
    return np.concatenate([order[order % 2 == 0], order[order % 2 == 1]]) if loader.config.shuffle else order


def _by_calls(loader: Planted, _epoch: int) -> np.ndarray:
    loader.notes["calls"] = loader.notes.get("calls", -1) + 1
    return right_order(loader, loader.notes["calls"])


def _seed_ignored(loader: Planted, epoch: int) -> np.ndarray:
    return right_order(loader, epoch, seed=0)


def _seed_ignored_later(loader: Planted, epoch: int) -> np.ndarray:
    return right_order(loader, epoch, seed=0 if epoch > 2 else None)


def _rank_stuck(loader: Planted, epoch: int) -> np.ndarray:
    """Shuffle all rows in each epoch, but give each rank a shard of epoch 0 in the order of epoch 0."""
    return right_order(loader, epoch if loader.config.world_size == 1 else 0)


def _row_missing_later(plan: list[np.ndarray], epoch: int) -> Iterable[np.ndarray]:
    return plan if epoch != 2 else [*plan[:-1], np.append(plan[-1][1:], plan[0][0])]


def _batch_size_ignored(plan: list[np.ndarray], _epoch: int) -> Iterable[np.ndarray]:
    return [np.concatenate(plan[first : first + 4]) for first in range(0, len(plan), 4)]


def _two_buffers(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    right = (batch if epoch % 2 == 0 else replace(batch, label=batch.label.roll(1)) for batch in batches)
    return to_device(loader, right, epoch)


def _rank_labels(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    right = (batch if loader.config.rank != 1 else replace(batch, label=batch.label.roll(1)) for batch in batches)
    return to_device(loader, right, epoch)


def _abandoned_harms(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    """Deliver a batch of an abandoned epoch in the epoch after the next one, in place of its third batch."""
    stale = loader.notes.pop("stale", None) if loader.notes.get("harmed") == epoch else None
    for number, batch in enumerate(to_device(loader, batches, epoch)):
        delivered = stale if number == 2 and stale is not None and stale.rows == batch.rows else batch
        try:
            yield delivered
        except GeneratorExit:
            loader.notes |= {"stale": batch, "harmed": epoch + 2}
            raise


def _ids_int16(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    def narrow(batch: Batch) -> Batch:
        last = list(batch.ids)[-1]
        return replace(batch, ids={**batch.ids, last: batch.ids[last].to(torch.int16)})

    return to_device(loader, map(narrow, batches), epoch)


def _ids_beyond_32_bits(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    """Add 2^32 to the ids of the last column, so that they are right if they are cut to 32 bits."""

    def widen(batch: Batch) -> Batch:
        last = list(batch.ids)[-1]
        return replace(batch, ids={**batch.ids, last: batch.ids[last].long() + 2**32})

    return to_device(loader, map(widen, batches), epoch)


def _negative_zero(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    negative = (replace(batch, label=torch.where(batch.label == 0, -0.0, batch.label)) for batch in batches)
    return to_device(loader, negative, epoch)


def _columns_swapped(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    swapped = (replace(batch, ids=dict(list(batch.ids.items())[::-1])) for batch in batches)
    return to_device(loader, swapped, epoch)


def _label_column(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    return to_device(loader, (replace(batch, label=batch.label[:, None]) for batch in batches), epoch)


ORDER_FAULTS: dict[str, Fault] = {
    "order_rotated": Fault(order=_rotated),
    "order_reversed": Fault(order=_reversed),
    "order_few_swaps": Fault(order=_few_swaps),
    "same_batches": Fault(order=_same_batches),
    "orders_alternate": Fault(order=_alternate),
    "blocks_kept": Fault(order=_blocks),
    "workers_one_seed": Fault(order=_workers),
    "halves_kept": Fault(order=_halves_kept),
    "order_by_calls": Fault(order=_by_calls),
    "seed_ignored": Fault(order=_seed_ignored),
    "seed_ignored_later": Fault(order=_seed_ignored_later),
    "rank_stuck": Fault(order=_rank_stuck),
    "row_missing_later": Fault(plan=_row_missing_later),
    "batch_size_ignored": Fault(plan=_batch_size_ignored),
    "two_buffers": Fault(batches=_two_buffers),
    "rank_labels": Fault(batches=_rank_labels),
    "abandoned_harms": Fault(batches=_abandoned_harms),
    "ids_int16": Fault(batches=_ids_int16),
    "ids_beyond_32_bits": Fault(batches=_ids_beyond_32_bits),
    "negative_zero": Fault(batches=_negative_zero),
    "columns_swapped": Fault(batches=_columns_swapped),
    "label_column": Fault(batches=_label_column),
}
