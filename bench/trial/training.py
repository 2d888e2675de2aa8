"""Timed epochs: of the loader only, and of training with an evaluation after each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from feedrate.bench.consumer.auc import auc
from feedrate.bench.consumer.model import loss_of
from feedrate.bench.consumer.models.embeddings import EmbeddingModel
from feedrate.bench.consumer.reading import BatchReader, reader
from feedrate.bench.datasets.rows.checksum import RowSum
from feedrate.bench.gate.epoch import GateFailed, TimedRowsWrong, of_all_ranks
from feedrate.bench.gate.timed_rows import TimedRows
from feedrate.bench.host.process_usage import since_process_start
from feedrate.bench.host.ranks.group import Group, first_decides, joint, total
from feedrate.bench.timing.clock import now
from feedrate.bench.timing.ranges import span
from feedrate.bench.trial.context import TrialContext
from feedrate.bench.trial.learner import Learner
from feedrate.bench.trial.timed_epoch import EpochTimer, TimedEpoch
from feedrate.loaders.base import Batch
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.form import epoch_of, plain_batch, require_form

if TYPE_CHECKING:
    from feedrate.bench.consumer.row_wise import RowWiseModel

MAX_EPOCHS = 500
"""Timed epochs of a trial whose epochs are too short for the time that they must last."""
MAX_TIMES = 3.0
"""How many times as long as they must last the steady epochs may take, with all that happens around them."""


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
    open_s: float = 0.0
    """Time to open the loader on the valid split."""
    step_bytes: float | None = None
    """Bytes that the optimizer alone must read and write in a step; see bench/consumer/step_floor.py."""


def time_loading(timer: EpochTimer) -> TimedEpochs:
    """Time the loader only: every tensor of every batch is read on its device."""
    epochs: list[TimedEpoch] = []
    begin, spec = now(), timer.context.spec
    group = timer.context.group
    while len(epochs) < spec.epochs or not first_decides(
        group, lambda: _long_enough(epochs, spec.timed_s, now() - begin)
    ):
        epochs.append(timer.time(len(epochs), partial(read_all, timer.read)))
    return TimedEpochs(epochs=tuple(epochs))


def read_all(read: BatchReader, batches: Iterator[Batch]) -> None:
    """Read every tensor of every batch."""
    for batch in batches:
        read(batch)


def _long_enough(epochs: Sequence[TimedEpoch], timed_s: float, spent_s: float) -> bool:
    """Whether the steady epochs last so many seconds, or no more epochs are affordable."""
    steady_s = sum(epoch.record.wall_s for epoch in epochs[1:])
    return steady_s >= timed_s or len(epochs) >= MAX_EPOCHS or spent_s >= MAX_TIMES * timed_s


def time_training(timer: EpochTimer, model: EmbeddingModel | RowWiseModel) -> TimedEpochs:
    """Time training epochs. After each, the whole valid split is evaluated through the same loader, unless it replays batches."""
    context, read, group = timer.context, timer.read, timer.context.group
    learner = Learner.of(model, context.spec.model, group)
    step, steps = learner.in_turn, context.most_batches("train")
    epochs, evaluations, losses = [], [], []
    begin = now()
    with nullcontext() if context.replays else Evaluations(context) as valid:
        open_s = now() - begin
        timer.off_clock.skip()
        for number in range(context.spec.epochs):
            losses_sum = torch.zeros((), device=context.spec.device)

            def consume(batches: Iterator[Batch], losses_sum: torch.Tensor = losses_sum) -> None:
                with learner.learning(steps):
                    for place, batch in enumerate(batches):
                        with span("step", place):
                            read(batch)
                            losses_sum += step(batch) * batch.rows

            epoch = timer.time(number, consume, step.flush)
            losses.append(finite("training loss", _mean_loss(group, losses_sum, epoch.record.rows), number))
            epoch = replace(epoch, record=learner.epoch_ended(epoch.record))
            if valid is not None:
                timer.off_clock.evaluation_begins()
                evaluations.append(valid.run(model, learner, number))
                timer.off_clock.evaluation_ended(context.rows_of("valid"))
                epoch = replace(epoch, record=replace(epoch.record, eval_s=evaluations[-1].seconds))
            epochs.append(epoch)
        step_bytes = step.least_bytes()
    return TimedEpochs(
        epochs=tuple(epochs),
        evaluations=tuple(evaluations),
        train_loss=tuple(losses),
        open_s=open_s,
        step_bytes=step_bytes,
    )


def _mean_loss(group: Group, total_loss: torch.Tensor, rows: int) -> float:
    """Return the mean loss per row on all ranks together. rows: of this rank."""
    losses = joint(group, np.array([total_loss.item()]))
    return float(losses.sum()) / total(group, rows)


class Evaluations:
    """The trial's loader on the valid split, open for as long as the block lasts, and the checks of what it delivers."""

    def __init__(self, context: TrialContext) -> None:
        self._context, spec = context, context.spec
        self._loader = context.open_loader("valid", shuffle=False)
        self._read = reader(spec.device, context.dataset.info.schema.tensors, context.most_batches("valid"))
        self._rows = TimedRows(
            context.dataset,
            "valid",
            self._read,
            batch_size=spec.batch_size,
            device=spec.device,
            every=spec.check == "every",
            group=context.group,
        )

    def __enter__(self) -> Evaluations:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._loader.close()

    def run(self, model: EmbeddingModel | RowWiseModel, learner: Learner, number: int) -> Evaluation:
        """AUC and loss on the whole valid split. Raises GateFailed or FormBroken if the rows are not the split's.

        The first time, every row is checked. Later, sums of all columns and the rows of a few batches are.
        """
        begin, context, watch = now(), self._context, self._rows
        spec = context.spec
        outputs, labels, rows = [], [], RowSum()
        model.eval()
        watch.begin()
        with span("evaluate"), torch.no_grad(), learner.predicting(context.most_batches("valid")):
            for batch in context.reported("evaluate", map(plain_batch, epoch_of(self._loader, 0)), "valid", watch):
                if number == 0:
                    require_form(batch, context.dataset.info.schema, device=spec.device, batch_size=spec.batch_size)
                self._read(batch)
                outputs.append(learner.in_turn.predict(batch))
                labels.append(batch.label.clone())  # a view would keep the memory that it lies in
                if number == 0:
                    rows.add(batch)
        output, label = (_of_all_ranks(context.group, parts, spec.device) for parts in (outputs, labels))
        loss = finite("validation loss", float(loss_of(output, label, spec.model).item()), number)
        area = finite("AUC (has the valid split both labels?)", auc(output, label), number)
        title = f"the valid split, after epoch {number + 1}"
        try:
            watch.end(title, sum(map(len, labels)))
        except TimedRowsWrong as error:  # not the training rows
            raise GateFailed(str(error)) from None
        if number == 0 and of_all_ranks(context.group, rows).digest != context.dataset.info.splits["valid"].checksum:
            raise GateFailed(f"{title}: the rows do not have the split's checksum")
        return Evaluation(auc=area, loss=loss, seconds=now() - begin, ended_s=since_process_start())


def _of_all_ranks(group: Group, parts: Sequence[torch.Tensor], device: str) -> torch.Tensor:
    """Return the scores or labels of all ranks, float32 [N], in the order of ranks."""
    if group.size == 1:
        return torch.cat(list(parts))
    own = torch.cat(list(parts)).cpu().numpy() if parts else np.empty(0, np.float32)
    return torch.from_numpy(joint(group, own)).to(device)


def finite(name: str, value: float, number: int) -> float:
    """The value. Raises FeedrateError if it is not finite: a diverged model has no AUC that could be compared."""
    if not math.isfinite(value):
        raise FeedrateError(f"the {name} is {value} in epoch {number + 1}: try a lower learning rate")
    return value
