"""Faults of the timed epochs, of the form of batches and of what a loader does beside the clock.

The trial must be void or flagged. Each was found, or could be written, by authors of loaders.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch

from feedrate.loaders.base import Batch
from feedrate.loaders.parquet.columns import batch_to, read_columns
from feedrate.loaders.testing.fault import Fault, Planted, to_device

TIMED = 5
"""Epochs that the clock is expected to see."""
HELD_BYTES = 300_000_000
"""Memory that the fault `over_budget` holds."""


def _repeats_while_timed(plan: list[np.ndarray], epoch: int) -> Iterable[np.ndarray]:
    return [*plan[:2], plan[1], *plan[3:]] if epoch < TIMED else plan


def _labels_every_second_epoch(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    """Yield labels from a second buffer that is one batch behind, as an honest author once did."""
    for batch in to_device(loader, batches, epoch):
        yield replace(batch, label=batch.label.roll(1)) if epoch % 2 else batch


def _valid_rows(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    valid = loader.split.files[0].parent.parent / "valid"
    files = tuple(sorted(valid.glob("*.parquet")))
    columns, start = read_columns(replace(loader.split, files=files)), 0
    for batch in to_device(loader, batches, epoch):
        rows = (torch.arange(start, start + batch.rows)) % columns.rows
        start += batch.rows
        yield batch_to(columns.take(rows), loader.config.device) if epoch < TIMED else batch


def _large_batches(plan: list[np.ndarray], epoch: int) -> Iterable[np.ndarray]:
    return [np.concatenate(plan[start : start + 4]) for start in range(0, len(plan), 4)] if epoch < TIMED else plan


def _short_batch_first(plan: list[np.ndarray], epoch: int) -> Iterable[np.ndarray]:
    return [plan[-1], *plan[:-1]] if epoch < TIMED else plan


class LazyTensor(torch.Tensor):
    """A tensor that could put off its work until somebody uses it."""


def _lazy_tensors(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    for batch in to_device(loader, batches, epoch):
        yield batch.map(lambda tensor: tensor.as_subclass(LazyTensor))


def _tuples(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    for batch in to_device(loader, batches, epoch):
        yield cast("Batch", ({**batch.ids, **batch.dense}, batch.label))


def _column_missing(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    for batch in to_device(loader, batches, epoch):
        yield replace(batch, ids=dict(list(batch.ids.items())[:-1]))


def _column_extra(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    return (replace(batch, dense={**batch.dense, "index": batch.label}) for batch in to_device(loader, batches, epoch))


def _negative_zeros(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    for batch in to_device(loader, batches, epoch):
        yield replace(batch, label=torch.where(batch.label == 0, -0.0, batch.label))


def _replace(space: Any, name: str) -> Fault:
    """Return a fault that wraps a function while an epoch is under way."""

    def batches(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
        module = sys.modules[space] if isinstance(space, str) else space
        original = getattr(module, name)
        setattr(module, name, lambda *args, **kwargs: original(*args, **kwargs))
        return to_device(loader, batches, epoch)

    return Fault(batches=batches)


def _threads_changed(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    torch.set_num_threads(3 if loader.notes.setdefault("threads", torch.get_num_threads()) != 3 else 4)
    return to_device(loader, batches, epoch)


def _precision_changed(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    torch.set_float32_matmul_precision("medium")
    return to_device(loader, batches, epoch)


def _gradients_off(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    torch.set_grad_enabled(False)
    return to_device(loader, batches, epoch)


def _prepares_epochs(loader: Planted) -> None:
    """Do the work of the epochs that are expected before the clock starts."""
    loader.notes["prepared"] = set(range(TIMED))


def _slow_unless_prepared(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    for batch in to_device(loader, batches, epoch):
        if epoch not in loader.notes["prepared"]:
            _burn(0.05)
        yield batch


def _works_between(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    """Keep a core busy in a thread whenever no epoch of the training rows is under way."""
    if not loader.config.shuffle:  # the valid split
        yield from to_device(loader, batches, epoch)
        return
    if "thread" not in loader.notes:
        loader.notes["thread"] = threading.Thread(target=_work_while_idle, args=(loader.notes,), daemon=True)
        loader.notes["thread"].start()
    loader.notes["busy"] = True
    yield from to_device(loader, batches, epoch)
    loader.notes["busy"] = False


def _work_while_idle(notes: dict[str, Any]) -> None:
    while not notes.get("closed"):
        if notes.get("busy", True):
            time.sleep(0.001)
        else:
            _burn(0.002)


def _burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def _over_budget(loader: Planted) -> None:
    loader.leaked.append(np.ones(HELD_BYTES, np.uint8))


def _later_evaluations_wrong(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    passes = loader.notes["passes"] = loader.notes.get("passes", 0) + 1
    for batch in to_device(loader, batches, epoch):
        wrong = not loader.config.shuffle and passes > 1
        yield replace(batch, label=batch.label.roll(1)) if wrong else batch


TIMED_FAULTS: dict[str, Fault] = {
    "repeats_while_timed": Fault(plan=_repeats_while_timed),
    "labels_every_second_epoch": Fault(batches=_labels_every_second_epoch),
    "valid_rows": Fault(batches=_valid_rows),
    "large_batches": Fault(plan=_large_batches),
    "short_batch_first": Fault(plan=_short_batch_first),
    "lazy_tensors": Fault(batches=_lazy_tensors),
    "tuples": Fault(batches=_tuples),
    "column_missing": Fault(batches=_column_missing),
    "column_extra": Fault(batches=_column_extra),
    "zeros_negated": Fault(batches=_negative_zeros),
    "clock_replaced": _replace(time, "monotonic"),
    "optimizer_replaced": _replace(torch.optim.Adam, "step"),
    "harness_replaced": _replace("feedrate.bench.timing.clock", "now"),
    "threads_changed": Fault(batches=_threads_changed),
    "precision_changed": Fault(batches=_precision_changed),
    "gradients_off": Fault(batches=_gradients_off),
    "prepares_epochs": Fault(opened=_prepares_epochs, batches=_slow_unless_prepared),
    "works_between": Fault(batches=_works_between),
    "over_budget": Fault(opened=_over_budget),
    "later_evaluations_wrong": Fault(batches=_later_evaluations_wrong),
}
