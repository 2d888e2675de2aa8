"""Simulates some steps of training on a cluster. Every rank is simulated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
import simpy

from feedrate.bench.results.predictions.prediction import Cause, Point
from feedrate.bench.simulation.allreduce import AllReduce, Spent, allreduce_s
from feedrate.bench.simulation.cores import Cores, EnoughCores, SharedCores
from feedrate.bench.simulation.rank import Rank
from feedrate.bench.simulation.storage import Storage
from feedrate.bench.simulation.workload import Cluster, Workload

RANK_STEPS = 100_000
"""Steps of all ranks together in one simulation, unless that gives fewer than MIN_STEPS steps or more than MAX_STEPS."""
MIN_STEPS, MAX_STEPS = 16, 400
SHARED_CORES_COST = 3
"""How many times as long a step takes to simulate if ranks wait for cores."""
FILLING_STEPS = 4
"""Steps before those that count: no batch is ready when the first one begins."""
MIN_WAIT = 0.05
"""Share of the time in which ranks wait for the next batch from which on the loader or the storage is the bottleneck."""


def simulate(work: Workload, cluster: Cluster, nodes: int, *, seed: int, rank_steps: int = RANK_STEPS) -> Point:
    """Simulate training on so many nodes. The same arguments give the same result."""
    ranks = nodes * cluster.gpus_per_node
    cost = SHARED_CORES_COST if _too_few_cores(work, cluster) else 1
    steps = min(max(rank_steps // cost // ranks, MIN_STEPS), MAX_STEPS)
    env = simpy.Environment()
    ledger = _Ledger(env)
    exchange_s = allreduce_s(cluster, nodes, work.gradient_bytes)
    allreduce = AllReduce(env, ranks, exchange_s, ledger.step)
    storage = _storage(env, work, cluster)
    loader_factors = jitter(ranks, FILLING_STEPS + steps, cluster.jitter, (seed, nodes, 0))
    model_factors = jitter(ranks, FILLING_STEPS + steps, cluster.jitter, (seed, nodes, 1))
    for node in range(nodes):
        cores: Cores = SharedCores(env, cluster.cores_per_node) if cost > 1 else EnoughCores(env)
        for number in range(node * cluster.gpus_per_node, (node + 1) * cluster.gpus_per_node):
            rank = Rank(env=env, work=work, cores=cores, storage=storage, allreduce=allreduce)
            rank.start(loader_factors[number], model_factors[number])
    env.run()
    return ledger.point(work, nodes, ranks, steps, exchange_s)


def jitter(ranks: int, steps: int, sigma: float, seed: tuple[int, ...]) -> list[list[float]]:
    """Return a factor for each rank and step, log-normal with mean 1."""
    if not sigma:
        return [[1.0] * steps] * ranks
    factors: list[list[float]] = np.random.default_rng(seed).lognormal(-(sigma**2) / 2, sigma, (ranks, steps)).tolist()
    return factors


def _storage(env: simpy.Environment, work: Workload, cluster: Cluster) -> Storage | None:
    """Return the storage. A rank gets its share of the node's link at most."""
    link = (cluster.network_bytes_per_s or inf) / cluster.gpus_per_node
    total = cluster.storage_bytes_per_s or inf
    return Storage(env, total, link) if work.read_bytes and min(total, link) < inf else None


def _too_few_cores(work: Workload, cluster: Cluster) -> bool:
    """Return whether the ranks of a node can want more cores than it has."""
    background = work.background_cores if work.background_s else 0.0
    wanted = cluster.gpus_per_node * (max(work.next_cores, work.model_cores) + background)
    return wanted > cluster.cores_per_node


@dataclass(slots=True)
class _Ledger:
    """Sums over the steps that count."""

    env: simpy.Environment
    steps: int = 0
    begin_s: float = 0.0
    waits_s: float = 0.0
    straggling_s: float = 0.0
    storage_s: float = 0.0
    loader_s: float = 0.0
    model_s: float = 0.0

    def step(self, ranks: list[Spent]) -> None:
        """Note a step of all ranks. The last of them is the slowest."""
        self.steps += 1
        if self.steps <= FILLING_STEPS:
            self.begin_s = self.env.now
            return
        slowest = ranks[-1]
        self.waits_s += sum(spent.storage_s + spent.loader_s for spent in ranks)
        self.straggling_s += sum(slowest.ended_s - spent.ended_s for spent in ranks)
        self.storage_s += slowest.storage_s
        self.loader_s += slowest.loader_s
        self.model_s += slowest.model_s

    def point(self, work: Workload, nodes: int, ranks: int, steps: int, exchange_s: float) -> Point:
        """Return the result."""
        total_s = self.env.now - self.begin_s
        critical: dict[Cause, float] = {
            "model": self.model_s / total_s,
            "loader": self.loader_s / total_s,
            "storage": self.storage_s / total_s,
            "network": exchange_s * steps / total_s,
        }
        return Point(
            nodes=nodes,
            ranks=ranks,
            steps=steps,
            rows_per_s=ranks * steps * work.batch_size / total_s,
            wait_fraction=self.waits_s / ranks / total_s,
            straggler_fraction=self.straggling_s / ranks / total_s,
            critical=critical,
            bottleneck=bottleneck(critical, work.next_s * steps / total_s),
        )


def bottleneck(critical: Mapping[Cause, float], next_fraction: float) -> Cause:
    """Return what to mend first.

    A rank that waits for its next batch is fed too slowly, however short the wait: a faster model would wait longer. Otherwise
    the largest share of the time decides. next_fraction: share of the loader's work in the model's own thread.
    """
    waits: dict[Cause, float] = {"storage": critical["storage"], "loader": critical["loader"] - next_fraction}
    if sum(waits.values()) >= MIN_WAIT:
        return max(waits, key=lambda cause: waits[cause])
    return max(critical, key=lambda cause: critical[cause])
