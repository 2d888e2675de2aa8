"""The end of each step: every rank waits for the slowest one, then all average their gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log2

import simpy

from feedrate.bench.simulation.workload import Cluster


@dataclass(slots=True)
class Spent:
    """How a rank spent its time since the last all-reduce, in seconds."""

    storage_s: float = 0.0
    loader_s: float = 0.0
    model_s: float = 0.0
    ended_s: float = 0.0
    """When its step ended, in simulated time."""


def allreduce_s(cluster: Cluster, nodes: int, n_bytes: float) -> float:
    """Return the seconds in which all ranks average so many bytes.

    In a ring of R ranks, each link carries 2 (R - 1) / R times the bytes. The slowest link is the one between nodes. Messages
    of a double tree take 2 log2(R) hops.
    """
    ranks = nodes * cluster.gpus_per_node
    link = cluster.network_bytes_per_s if nodes > 1 else cluster.node_bytes_per_s
    transfer_s = 2 * (ranks - 1) / ranks * n_bytes / link if link else 0.0
    return transfer_s + 2 * ceil(log2(ranks)) * cluster.latency_s


class AllReduce:
    """The meeting of all ranks at the end of each step."""

    def __init__(
        self, env: simpy.Environment, ranks: int, seconds: float, on_step: Callable[[list[Spent]], None]
    ) -> None:
        """seconds: of the exchange, after the last rank has come. on_step: called when it ends, with the ranks in the order in which they came."""
        self._env, self._ranks, self._seconds, self._on_step = env, ranks, seconds, on_step
        self._here: list[Spent] = []
        self._together = env.event()

    def join(self, spent: Spent) -> simpy.Event:
        """Join the other ranks. The event is the end of the exchange."""
        together = self._together
        self._here.append(spent)
        if len(self._here) == self._ranks:
            here, self._here, self._together = self._here, [], self._env.event()
            self._env.timeout(self._seconds).callbacks.append(lambda _: self._end(here, together))
        return together

    def _end(self, here: list[Spent], together: simpy.Event) -> None:
        self._on_step(here)
        together.succeed()
