"""Work recorded once as a CUDA graph and replayed for every batch of that size: one launch in place of a hundred."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from feedrate.loaders.base import Batch

WARM_STEPS = 3
"""That are run before one is recorded: libraries choose and allocate in them."""
SPARE = 1.25
"""Values of bags that a buffer has room for, over those of the batch that it was made for."""


class StaticBatch:
    """Buffers of one batch's shape, and of int32 ids, that each batch of as many rows is copied into."""

    def __init__(self, batch: Batch) -> None:
        self.rows = batch.rows
        self._room = {name: int(len(values) * SPARE) for name, (values, _) in batch.bags.items()}
        self.batch = Batch(
            {name: torch.empty_like(ids, dtype=torch.int32) for name, ids in batch.ids.items()},
            {
                name: (
                    torch.zeros(self._room[name], dtype=torch.int32, device=values.device),
                    torch.empty_like(offsets, dtype=torch.int32),
                )
                for name, (values, offsets) in batch.bags.items()
            },
            {name: torch.empty_like(column) for name, column in batch.dense.items()},
            torch.empty_like(batch.label),
        )

    def fits(self, batch: Batch) -> bool:
        return batch.rows == self.rows and all(
            len(values) <= self._room[name] for name, (values, _) in batch.bags.items()
        )

    def fill(self, batch: Batch) -> None:
        """Values past the last offset keep what was there."""
        for name, (values, offsets) in batch.bags.items():
            own_values, own_offsets = self.batch.bags[name]
            own_values[: len(values)].copy_(values)
            own_offsets.copy_(offsets)
        for own, new in zip(self._flat(self.batch), self._flat(batch), strict=True):
            own.copy_(new)

    @staticmethod
    def _flat(batch: Batch) -> list[Tensor]:
        return [*batch.ids.values(), *batch.dense.values(), batch.label]


class Graphed:
    """work(batch) -> Tensor, as a graph for batches like the first one; on others it is run as they come."""

    def __init__(self, work: Callable[[Batch], Tensor]) -> None:
        """work: waits for nothing, takes int32 ids, and reads a bag's values only as far as its last offset."""
        self._work = work
        self._static: StaticBatch | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: Tensor | None = None
        self._warm = 0
        self._side = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def __call__(self, batch: Batch) -> Tensor:
        """The result is overwritten by the next call."""
        if self._static is None:
            self._static = StaticBatch(batch)
        if not self._static.fits(batch):
            return self._work(_narrow(batch))
        self._static.fill(batch)
        if self._graph is None and self._warm < WARM_STEPS:
            self._warm += 1
            return self._beside(self._static.batch)
        if self._graph is None:
            self._record(self._static.batch)
        assert self._graph is not None
        assert self._result is not None
        self._graph.replay()
        return self._result

    def _beside(self, batch: Batch) -> Tensor:
        """On another stream than the default one, as recording wants it."""
        self._side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._side):
            result = self._work(batch)
        torch.cuda.current_stream().wait_stream(self._side)
        return result

    def _record(self, batch: Batch) -> None:
        """Nothing is computed by it. Other threads, a loader's, may go on meanwhile."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._side, capture_error_mode="thread_local"):
            self._result = self._work(batch)
        self._graph = graph


def _narrow(batch: Batch) -> Batch:
    """Ids and offsets as int32."""
    return batch.map(lambda tensor: tensor if tensor.is_floating_point() else tensor.to(torch.int32))
