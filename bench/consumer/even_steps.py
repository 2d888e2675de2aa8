"""Ranks train and predict together: each takes part as often as all others, whatever its shard holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

from feedrate.bench.consumer.steps import EagerStep
from feedrate.bench.host.ranks.group import Group, any_wants
from feedrate.loaders.base import Batch
from feedrate.loaders.errors import FeedrateError


class EvenSteps:
    """A step that a rank whose batches have ended takes with its last batch and the weight 0.

    Every rank then has the same gradients, and its optimizer takes as many steps. torch's DistributedDataParallel.join
    leaves the optimizer of such a rank behind, so that the replicas drift apart in the next epoch.
    """

    def __init__(self, step: EagerStep, group: Group) -> None:
        """group: of the ranks that take the step."""
        self._step, self._group, self._left = step, group, 0
        self._last: Batch | None = None
        self.flush, self.least_bytes = step.flush, step.least_bytes

    def __call__(self, batch: Batch) -> Tensor:
        """Learn from a batch and return the detached loss."""
        self._take_turn(batch)
        return self._step(batch)

    def predict(self, batch: Batch) -> Tensor:
        """Return the model's raw scores, float32 [B]."""
        self._take_turn(batch)
        return self._step.predict(batch)

    @contextmanager
    def learning(self, steps: int) -> Iterator[None]:
        """Learn so many times within the block, or more often if a rank has more batches."""
        yield from self._turns(steps, self._step.take_part)

    @contextmanager
    def predicting(self, steps: int) -> Iterator[None]:
        """Predict so many times within the block, or more often if a rank has more batches."""
        yield from self._turns(steps, self._step.predict)

    def _turns(self, steps: int, take_part: Callable[[Batch], object]) -> Iterator[None]:
        self._left, self._last = steps, None
        yield
        while self._left or any_wants(self._group, False):
            if self._last is None:
                raise FeedrateError("this rank has no batch for the steps that the others take: use fewer ranks")
            self._count()
            take_part(self._last)
        self._last = None

    def _take_turn(self, batch: Batch) -> None:
        if not self._left:  # shards of whole row groups may be less even than the number of rows says
            any_wants(self._group, True)
        self._count()
        self._last = batch

    def _count(self) -> None:
        self._group.step_begins()
        self._left = max(self._left - 1, 0)
