"""The model on one of several ranks. DistributedDataParallel averages the gradients, and the time for that is noted."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from feedrate.bench.timing.clock import now

Moment = tuple[float, float]


class Replica:
    """The replica of a model on this rank."""

    def __init__(self, model: nn.Module, ranks: int) -> None:
        """Wrap the model, which must have the same weights on each rank. ranks: that train together."""
        self._ranks = ranks
        self._on_gpu = next(model.parameters()).is_cuda
        self._moments: list[Moment] = []
        self._events: list[tuple[Any, Any]] = []
        self.module = DistributedDataParallel(model)
        self.module.register_comm_hook(None, lambda _state, bucket: self._average(bucket))

    def uneven_ends(self) -> AbstractContextManager[Any]:
        """Let a rank whose batches have ended take part in the others' averages, so that nobody waits for it."""
        context: AbstractContextManager[Any] = self.module.join()
        return context

    def allreduce_s(self) -> float:
        """Return the seconds since the last call in which gradients were being averaged, beside other work or not.

        Call it when the device has finished.
        """
        moments, self._moments = self._moments, []
        events, self._events = self._events, []
        if events:
            first = events[0][0]
            moments = [(first.elapsed_time(begin) / 1e3, first.elapsed_time(end) / 1e3) for begin, end in events]
        return length_of_union(moments)

    def share_buffers(self) -> None:
        """Give every rank rank 0's running statistics of BatchNorm, so that all evaluate the same model."""
        for buffer in self.module.module.buffers():
            dist.broadcast(buffer, 0)

    def _average(self, bucket: Any) -> torch.futures.Future[torch.Tensor]:
        """Average a bucket of gradients over the ranks. bucket: a torch.distributed.GradBucket."""
        gradients = bucket.buffer().div_(self._ranks)
        begin = self._mark()
        work = dist.all_reduce(gradients, async_op=True)
        assert work is not None, "only processes outside of the group get no work"

        def note(future: torch.futures.Future[list[torch.Tensor]]) -> torch.Tensor:
            end = self._mark()
            if self._on_gpu:
                self._events.append((begin, end))
            else:
                self._moments.append((begin, end))
            return future.value()[0]

        averaged: torch.futures.Future[torch.Tensor] = work.get_future().then(note)
        return averaged

    def _mark(self) -> Any:
        """Note this moment on the current stream, or on the host's clock without a GPU."""
        if not self._on_gpu:
            return now()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


def length_of_union(moments: list[Moment]) -> float:
    """Return the length of all intervals (begin, end) together. What lies in several of them counts once."""
    length, reached = 0.0, float("-inf")
    for begin, end in sorted(moments):
        length += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return length
