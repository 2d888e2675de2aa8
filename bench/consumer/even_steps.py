"""Ranks train and predict together: each takes part as often as all others, whatever its shard holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

from feedrate.bench.consumer.steps import EagerStep
from feedrate.loaders.base import Batch
from feedrate.loaders.errors import FeedrateError


class EvenSteps:
    """A step that a rank whose batches have ended takes with its last batch and the weight 0.

    Every rank then has the same gradients, and its optimizer takes as many steps. torch's DistributedDataParallel.join
    leaves the optimizer of such a rank behind, so that the replicas drift apart in the next epoch.
    """

    def __init__(self, step: EagerStep, on_step: Callable[[], None] = lambda: None) -> None:
        """on_step: called before each step and each prediction."""
        self._step, self._left, self._on_step = step, 0, on_step
        self._last: Batch | None = None
        self.flush, self.least_bytes = step.flush, step.least_bytes

    def __call__(self, batch: Batch) -> Tensor:
        """Learn from a batch and return the detached loss. Raises FeedrateError beyond the block's number of steps."""
        self._take_turn(batch)
        return self._step(batch)

    def predict(self, batch: Batch) -> Tensor:
        """Return the model's raw scores, float32 [B]. Raises FeedrateError beyond the block's number of steps."""
        self._take_turn(batch)
        return self._step.predict(batch)

    @contextmanager
    def learning(self, steps: int) -> Iterator[None]:
        """Learn so many times within the block."""
        yield from self._turns(steps, self._step.take_part)

    @contextmanager
    def predicting(self, steps: int) -> Iterator[None]:
        """Predict so many times within the block."""
        yield from self._turns(steps, self._step.predict)

    def _turns(self, steps: int, take_part: Callable[[Batch], object]) -> Iterator[None]:
        self._left, self._last = steps, None
        yield
        for _ in range(self._left):
            if self._last is None:
                raise FeedrateError("this rank has no batch for the steps that the others take: use fewer ranks")
            self._on_step()
            take_part(self._last)
        self._last = None

    def _take_turn(self, batch: Batch) -> None:
        if not self._left:
            raise FeedrateError("an epoch has more batches than the rows of any rank fill, and the others would wait")
        self._on_step()
        self._left -= 1
        self._last = batch
