"""The parts of the simulation, each by itself, with times that can be computed by hand."""

from __future__ import annotations

from collections.abc import Generator

import pytest
import simpy

from feedrate.bench.simulation.allreduce import AllReduce, Spent, allreduce_s
from feedrate.bench.simulation.batch_queue import BatchQueue
from feedrate.bench.simulation.cores import EnoughCores, SharedCores
from feedrate.bench.simulation.storage import Storage
from feedrate.bench.simulation.workload import Cluster

Process = Generator[simpy.Event, object, None]


def ends(env: simpy.Environment, *begun: tuple[float, simpy.Event]) -> list[float]:
    """Run everything. Return when each event ended."""
    times = [0.0] * len(begun)
    for place, (_, event) in enumerate(begun):
        event.callbacks.append(lambda _, place=place: times.__setitem__(place, env.now))
    env.run()
    return times


def test_reads_share_the_bandwidth_of_the_storage() -> None:
    env = simpy.Environment()
    storage = Storage(env, bytes_per_s=10, bytes_per_s_of_a_read=10)
    assert ends(env, (0, storage.read(10)), (0, storage.read(30))) == pytest.approx([2, 4])


def test_a_read_gets_no_more_than_its_link() -> None:
    env = simpy.Environment()
    assert ends(env, (0, Storage(env, 100, 4).read(8))) == pytest.approx([2])


def test_a_later_read_slows_the_one_under_way() -> None:
    env = simpy.Environment()
    storage = Storage(env, 10, 10)
    times: list[float] = []

    def reader(begin_s: float, n_bytes: float) -> Process:
        yield env.timeout(begin_s)
        yield storage.read(n_bytes)
        times.append(env.now)

    env.process(reader(0, 20))
    env.process(reader(1, 10))
    env.run()
    assert times == pytest.approx([3, 3])  # 10 bytes alone, then 5 bytes/s each


def test_cores_go_to_whoever_wants_them() -> None:
    env = simpy.Environment()
    cores = SharedCores(env, 2)
    # 0.5 cores are left to the narrow one, 0.75 to each of the others: 1 / 0.75 s until one of them ends
    narrow, first, second = cores.run(4, 0.5), cores.run(1, 1), cores.run(1.5, 1)
    assert ends(env, (0, narrow), (0, first), (0, second)) == pytest.approx([4, 4 / 3, 4 / 3 + 0.5])


def test_enough_cores_change_no_time() -> None:
    env = simpy.Environment()
    cores = EnoughCores(env)
    assert ends(env, (0, cores.run(1, 8)), (0, cores.run(2, 8))) == [1, 2]


def test_the_loader_waits_while_the_queue_is_full() -> None:
    env = simpy.Environment()
    queue = BatchQueue(env, capacity=2)
    put_at: list[float] = []
    taken: list[float] = []

    def loader() -> Process:
        for batch in range(4):
            put_at.append(env.now)
            yield from queue.put(float(batch))

    def model() -> Process:
        for _ in range(4):
            yield env.timeout(1)
            taken.append((yield from queue.take()))

    env.process(loader())
    env.process(model())
    env.run()
    assert taken == [0, 1, 2, 3]
    assert put_at == [0, 0, 1, 2]


def cluster(**changes: float | None) -> Cluster:
    settings = {
        "gpus_per_node": 8, "cores_per_node": 64, "storage_bytes_per_s": None, "network_bytes_per_s": 50e9,
        "node_bytes_per_s": 400e9, "latency_s": 0.0, "jitter": 0.0,
    }  # fmt: skip
    return Cluster(**{**settings, **changes})  # type: ignore[arg-type]


def test_a_ring_moves_nearly_twice_the_gradients_over_its_slowest_link() -> None:
    assert allreduce_s(cluster(), 1, 1e9) == pytest.approx(2 * 7 / 8 * 1e9 / 400e9)
    assert allreduce_s(cluster(), 2, 1e9) == pytest.approx(2 * 15 / 16 * 1e9 / 50e9)
    assert allreduce_s(cluster(network_bytes_per_s=None, latency_s=1e-3), 2, 1e9) == pytest.approx(8e-3)
    assert allreduce_s(cluster(gpus_per_node=1, latency_s=1e-3), 1, 1e9) == 0


def test_all_ranks_wait_for_the_slowest_and_for_the_exchange() -> None:
    env = simpy.Environment()
    steps: list[tuple[float, list[float]]] = []
    allreduce = AllReduce(env, 2, 0.5, lambda here: steps.append((env.now, [spent.model_s for spent in here])))

    def rank(seconds: float) -> Process:
        for _ in range(2):
            yield env.timeout(seconds)
            yield allreduce.join(Spent(model_s=seconds))

    env.process(rank(3))
    env.process(rank(1))
    env.run()
    assert steps == [(3.5, [1, 3]), (7.0, [1, 3])]
