"""The model on one of several ranks. DistributedDataParallel averages the gradients, and the time for that is noted."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from feedrate.bench.consumer.moments import Moments
from feedrate.bench.consumer.row_wise import RowWiseModel


class Replica:
    """The replica of a model on this rank."""

    def __init__(self, model: nn.Module, ranks: int) -> None:
        """Wrap the model, which must have the same weights on each rank. ranks: that train together."""
        self._ranks = ranks
        self._moments = Moments()
        self._model, self.module = model, model
        """The module to learn with."""
        if isinstance(model, RowWiseModel):
            model.average_with(self._averaging)
        else:
            self.module = self._averaging(model)

    def allreduce_s(self) -> float:
        """Return the seconds since the last call in which gradients were being averaged, beside other work or not.

        Call it when the device has finished.
        """
        return self._moments.taken_s()

    def share_buffers(self) -> None:
        """Give every rank rank 0's running statistics of BatchNorm, so that all evaluate the same model."""
        for buffer in self._model.buffers():
            dist.broadcast(buffer, 0)

    def _averaging(self, module: nn.Module) -> DistributedDataParallel:
        averaging = DistributedDataParallel(module)
        averaging.register_comm_hook(None, lambda _state, bucket: self._average(bucket))
        return averaging

    def _average(self, bucket: Any) -> torch.futures.Future[torch.Tensor]:
        """Average a bucket of gradients over the ranks. bucket: a torch.distributed.GradBucket."""
        gradients = bucket.buffer().div_(self._ranks)
        begin = Moments.mark(gradients.is_cuda)
        work = dist.all_reduce(gradients, async_op=True)
        assert work is not None, "only processes outside of the group get no work"

        def note(future: torch.futures.Future[list[torch.Tensor]]) -> torch.Tensor:
            self._moments.add(begin, Moments.mark(gradients.is_cuda))
            return future.value()[0]

        averaged: torch.futures.Future[torch.Tensor] = work.get_future().then(note)
        return averaged
