"""Records work once as a CUDA graph and replays it for every batch of that size: one launch instead of a hundred."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from feedrate.loaders.base import Batch

WARM_UP_STEPS = 3
"""Steps run before the graph is recorded. Libraries select algorithms and allocate memory during these steps."""
CAPACITY_FACTOR = 1.25
"""Bag values that a buffer can hold, as a multiple of those in the batch it was created for."""


class StaticBatch:
    """Fixed buffers shaped like one batch, with int32 ids. Every batch with as many rows is copied into them."""

    def __init__(self, batch: Batch) -> None:
        self.rows = batch.rows
        self._capacity = {name: int(len(values) * CAPACITY_FACTOR) for name, (values, _) in batch.bags.items()}
        self.batch = Batch(
            {name: torch.empty_like(ids, dtype=torch.int32) for name, ids in batch.ids.items()},
            {
                name: (
                    torch.zeros(self._capacity[name], dtype=torch.int32, device=values.device),
                    torch.empty_like(offsets, dtype=torch.int32),
                )
                for name, (values, offsets) in batch.bags.items()
            },
            {name: torch.empty_like(column) for name, column in batch.dense.items()},
            torch.empty_like(batch.label),
        )

    def fits(self, batch: Batch) -> bool:
        """Return whether the batch has as many rows as the buffers and its bag values fit into them."""
        return batch.rows == self.rows and all(
            len(values) <= self._capacity[name] for name, (values, _) in batch.bags.items()
        )

    def fill(self, batch: Batch) -> None:
        """Copy the batch into the buffers. Bag values past the last offset keep their old contents."""
        for name, (values, offsets) in batch.bags.items():
            values_buffer, offsets_buffer = self.batch.bags[name]
            values_buffer[: len(values)].copy_(values)
            offsets_buffer.copy_(offsets)
        for buffer, column in zip(self._flat(self.batch), self._flat(batch), strict=True):
            buffer.copy_(column)

    @staticmethod
    def _flat(batch: Batch) -> list[Tensor]:
        return [*batch.ids.values(), *batch.dense.values(), batch.label]


class Graphed:
    """Runs work(batch) -> Tensor as a CUDA graph for batches shaped like the first one, and directly for all others."""

    def __init__(self, work: Callable[[Batch], Tensor]) -> None:
        """Keep the work. The graph is recorded after the warm-up steps.

        work: takes a batch with int32 ids, never waits for the device, and reads no bag values past the last offset.
        """
        self._work = work
        self._static: StaticBatch | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: Tensor | None = None
        self._warm_up_steps_done = 0
        self._side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def __call__(self, batch: Batch) -> Tensor:
        """Return the result of work(batch). The next call overwrites it."""
        if self._static is None:
            self._static = StaticBatch(batch)
        if not self._static.fits(batch):
            return self._work(_narrow(batch))
        self._static.fill(batch)
        if self._graph is None and self._warm_up_steps_done < WARM_UP_STEPS:
            self._warm_up_steps_done += 1
            return self._run_on_side_stream(self._static.batch)
        if self._graph is None:
            self._record(self._static.batch)
        assert self._graph is not None
        assert self._result is not None
        self._graph.replay()
        return self._result

    def _run_on_side_stream(self, batch: Batch) -> Tensor:
        """Run the work on the stream that will record the graph. Recording does not work on the default stream."""
        self._side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._side_stream):
            result = self._work(batch)
        torch.cuda.current_stream().wait_stream(self._side_stream)
        return result

    def _record(self, batch: Batch) -> None:
        """Record the graph without computing anything. Other threads, such as a loader's, may keep running."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._side_stream, capture_error_mode="thread_local"):
            self._result = self._work(batch)
        self._graph = graph


def _narrow(batch: Batch) -> Batch:
    """Convert ids and offsets to int32."""
    return batch.map(lambda tensor: tensor if tensor.is_floating_point() else tensor.to(torch.int32))
