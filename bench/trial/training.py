"""Timed epochs: of the loader only, and of training with an evaluation after each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch

from feedrate.bench.consumer.auc import auc
from feedrate.bench.consumer.model import EmbeddingMLP, loss_of
from feedrate.bench.consumer.steps import Step, make_step
from feedrate.bench.datasets.checksum import RowSum
from feedrate.bench.gate.epoch import GateFailed, check_form, wrong_count
from feedrate.bench.host.process_usage import since_process_start
from feedrate.bench.timing.clock import now
from feedrate.bench.timing.ranges import span
from feedrate.bench.trial.context import TrialContext
from feedrate.bench.trial.timed_epoch import EpochTimer, TimedEpoch
from feedrate.loaders.base import Batch, Loader
from feedrate.loaders.errors import FeedrateError


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One pass over the valid split."""

    auc: float
    loss: float
    seconds: float
    ended_s: float
    """Seconds since the process started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedEpochs:
    """Everything between the opening of the loader and the gate."""

    epochs: tuple[TimedEpoch, ...]
    evaluations: tuple[Evaluation, ...] = ()
    """After each epoch; empty in the modes load and replay."""
    train_loss: tuple[float, ...] = ()
    """Mean over each epoch's rows; empty in mode load."""
    step_bytes: float | None = None
    """Bytes that the optimizer alone must read and write in a step; see bench/consumer/step_floor.py."""


def time_loading(timer: EpochTimer, read: Callable[[Batch], None]) -> TimedEpochs:
    """Time the loader only: every tensor of every batch is read on its device."""

    def consume(batches: Iterator[Batch]) -> None:
        for batch in batches:
            read(batch)

    return TimedEpochs(epochs=tuple(timer.time(number, consume) for number in range(timer.context.spec.epochs)))


def time_training(timer: EpochTimer, model: EmbeddingMLP) -> TimedEpochs:
    """Time training epochs. After each, the whole valid split is evaluated through the same loader, unless it replays batches."""
    context = timer.context
    step = make_step(model, context.spec.model)
    epochs, evaluations, losses = [], [], []
    with nullcontext() if context.choice.adapter.replays else _ValidLoader(context) as valid:
        for number in range(context.spec.epochs):
            total = torch.zeros((), device=context.spec.device)

            def consume(batches: Iterator[Batch], total: torch.Tensor = total) -> None:
                for place, batch in enumerate(batches):
                    with span("step", place):
                        total += step(batch) * batch.rows

            epoch = timer.time(number, consume, step.flush)
            losses.append(finite("training loss", float(total.item()) / epoch.record.rows, number))
            if valid is not None:
                evaluations.append(evaluate(context, model, step, valid, number))
                epoch = replace(epoch, record=replace(epoch.record, eval_s=evaluations[-1].seconds))
            epochs.append(epoch)
        step_bytes = step.least_bytes()
    return TimedEpochs(
        epochs=tuple(epochs), evaluations=tuple(evaluations), train_loss=tuple(losses), step_bytes=step_bytes
    )


class _ValidLoader:
    """The trial's loader on the valid split, open for as long as the block lasts."""

    def __init__(self, context: TrialContext) -> None:
        self._loader = context.open_loader("valid", shuffle=False)

    def __enter__(self) -> Loader:
        return self._loader

    def __exit__(self, *_raised: object) -> None:
        self._loader.close()


def evaluate(context: TrialContext, model: EmbeddingMLP, step: Step, valid: Loader, number: int) -> Evaluation:
    """AUC and loss on the whole valid split. Its rows are checked after the first epoch; raises GateFailed if they are wrong."""
    begin, check = now(), number == 0
    outputs, labels, rows = [], [], RowSum()
    model.eval()
    with span("evaluate"), torch.no_grad():
        for batch in context.reported("evaluate", valid.epoch(0), "valid"):
            outputs.append(step.predict(batch))
            labels.append(batch.label.clone())  # a view would keep the memory that it lies in
            if check:
                check_form(batch, context.spec.device)
                rows.add(batch)
        output, label = torch.cat(outputs), torch.cat(labels)
        loss = finite("validation loss", float(loss_of(output, label, context.spec.model).item()), number)
        area = finite("AUC (has the valid split both labels?)", auc(output, label), number)
    if check:
        _refuse_wrong_valid(context, rows)
    return Evaluation(auc=area, loss=loss, seconds=now() - begin, ended_s=since_process_start())


def _refuse_wrong_valid(context: TrialContext, rows: RowSum) -> None:
    delivered, expected = rows.result(), context.dataset.info.splits["valid"]
    if sentence := wrong_count(delivered.rows, expected.rows, context.spec.batch_size):
        raise GateFailed(f"the valid split: {sentence}")
    if delivered.digest != expected.checksum:
        raise GateFailed(f"the valid split's rows have checksum {delivered.digest}, not {expected.checksum}")


def finite(name: str, value: float, number: int) -> float:
    """The value. Raises FeedrateError if it is not finite: a diverged model has no AUC that could be compared."""
    if not math.isfinite(value):
        raise FeedrateError(f"the {name} is {value} in epoch {number + 1}: try a lower learning rate")
    return value
