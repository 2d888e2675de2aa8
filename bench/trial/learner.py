"""A training step, alone or together with other ranks, and what each of these must do at the end of an epoch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from feedrate.bench.consumer.models.embeddings import EmbeddingModel
from feedrate.bench.consumer.steps import EagerStep, Step, make_step
from feedrate.bench.host.ranks.group import Alone, Group
from feedrate.bench.results.record import EpochRecord
from feedrate.bench.results.spec import ModelSpec

if TYPE_CHECKING:  # a single process need not import what averages gradients
    from feedrate.bench.consumer.even_steps import EvenSteps
    from feedrate.bench.consumer.replica import Replica
    from feedrate.bench.consumer.row_wise import RowWiseModel, RowWiseTables


@dataclass(frozen=True, slots=True)
class Learner:
    """The step, and what ties this rank to the others."""

    step: Step
    """To take as often as all others."""
    replica: Replica | None = None
    """None for a trial of one process that no launcher started."""
    even: EvenSteps | None = None
    """The step within blocks that see to it that all ranks take it equally often. None where replica is."""
    tables: RowWiseTables | None = None
    """Of the model, if their rows lie on several ranks."""

    @classmethod
    def of(cls, model: EmbeddingModel | RowWiseModel, spec: ModelSpec, group: Group) -> Learner:
        """Build the step that the spec names."""
        if isinstance(model, EmbeddingModel) and (isinstance(group, Alone) or spec.step == "fast"):
            return cls(make_step(model, spec))  # a Plan refuses the fast step on several ranks
        from feedrate.bench.consumer.even_steps import EvenSteps
        from feedrate.bench.consumer.replica import Replica

        replica = Replica(model, group.size)
        step = EagerStep(model, spec, replica)
        tables = None if isinstance(model, EmbeddingModel) else model.tables
        return cls(step, replica, EvenSteps(step, group), tables)

    @property
    def in_turn(self) -> Step:
        """The step within the blocks below."""
        return self.step if self.even is None else self.even

    def learning(self, steps: int) -> AbstractContextManager[object]:
        """Learn within the block, and take part in the others' steps at its end. steps: of the rank that has most batches, if shards are even."""
        if self.tables is not None:
            self.tables.moments.forget()  # an evaluation exchanges rows, too
        return nullcontext() if self.even is None else self.even.learning(steps)

    def predicting(self, steps: int) -> AbstractContextManager[object]:
        """The same for predictions."""
        return nullcontext() if self.even is None else self.even.predicting(steps)

    def epoch_ended(self, record: EpochRecord) -> EpochRecord:
        """Give all ranks the same model. Return the epoch's record with the time of exchanges. The device must have finished."""
        if self.replica is None:
            return record
        self.replica.share_buffers()
        exchange_s = None if self.tables is None else self.tables.moments.taken_s()
        return replace(record, allreduce_s=self.replica.allreduce_s(), exchange_s=exchange_s)
