"""One rank: a loader that works ahead, and a model that takes its batches."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import simpy

from feedrate.bench.simulation.allreduce import AllReduce, Spent
from feedrate.bench.simulation.batch_queue import BatchQueue
from feedrate.bench.simulation.cores import Cores
from feedrate.bench.simulation.storage import Storage
from feedrate.bench.simulation.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """What a rank works with. Its two processes are generators, which SimPy runs."""

    env: simpy.Environment
    work: Workload
    cores: Cores
    storage: Storage | None
    """None: nothing is read, or reading takes no time."""
    allreduce: AllReduce

    def start(self, loader_factors: list[float], model_factors: list[float]) -> None:
        """Start the rank. The factors say how much longer than usual each step's work takes."""
        queue = None
        if self.work.background_s:
            queue = BatchQueue(self.env, self.work.prefetch)
            self.env.process(self._load_ahead(queue, loader_factors))
        self.env.process(self._train(queue, loader_factors, model_factors))

    def _load_ahead(self, queue: BatchQueue, factors: list[float]) -> Generator[simpy.Event, object, None]:
        """Read and prepare one batch after the other. The next bytes come in while a batch is being prepared."""
        work = self.work
        for factor in factors:
            read = self.storage.read(work.read_bytes) if self.storage else None
            yield self.cores.run(work.background_s * factor, work.background_cores)
            prepared_s = self.env.now
            if read is not None and not read.processed:
                yield read
            yield from queue.put(self.env.now - prepared_s)

    def _train(
        self, queue: BatchQueue | None, loader_factors: list[float], model_factors: list[float]
    ) -> Generator[simpy.Event, object, None]:
        work, env = self.work, self.env
        for loader_factor, model_factor in zip(loader_factors, model_factors, strict=True):
            begin = env.now
            storage_s = 0.0
            if queue is not None:
                behind_s = yield from queue.take()
                storage_s = min(behind_s, env.now - begin)
            elif self.storage:
                yield self.storage.read(work.read_bytes)
                storage_s = env.now - begin
            if work.next_s:
                yield self.cores.run(work.next_s * loader_factor, work.next_cores)
            loaded = env.now
            yield self.cores.run(work.model_s * model_factor, work.model_cores)
            spent = Spent(storage_s, loaded - begin - storage_s, env.now - loaded, env.now)
            yield self.allreduce.join(spent)
