"""Whole clusters: what bounds them is what arithmetic says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from feedrate.bench.simulation import cluster as clusters
from feedrate.bench.simulation.cluster import MIN_STEPS, bottleneck, jitter, simulate
from feedrate.bench.simulation.workload import Cluster, Workload

WORK = Workload(
    batch_size=1000, prefetch=2, next_s=0.0, next_cores=1, background_s=0.01, background_cores=1, model_s=0.02, model_cores=1,
    read_bytes=0, gradient_bytes=0,
)  # fmt: skip
CLUSTER = Cluster(
    gpus_per_node=2, cores_per_node=8, storage_bytes_per_s=None, network_bytes_per_s=None, node_bytes_per_s=None,
    latency_s=0, jitter=0,
)  # fmt: skip


def rate(work: Workload, cluster: Cluster = CLUSTER, nodes: int = 1) -> float:
    return simulate(work, cluster, nodes, seed=0, rank_steps=100).rows_per_s


def test_a_loader_that_works_ahead_is_hidden_behind_the_model() -> None:
    point = simulate(WORK, CLUSTER, 4, seed=0, rank_steps=100)
    assert point.rows_per_s == pytest.approx(8 * 1000 / 0.02)
    assert (point.ranks, point.steps, point.wait_fraction, point.bottleneck) == (8, MIN_STEPS, 0, "model")


def test_a_slow_loader_sets_the_pace() -> None:
    point = simulate(replace(WORK, background_s=0.04), CLUSTER, 1, seed=0, rank_steps=100)
    assert point.rows_per_s == pytest.approx(2 * 1000 / 0.04)
    assert point.wait_fraction == pytest.approx(0.5)
    assert point.bottleneck == "loader"


def test_work_in_next_delays_each_step() -> None:
    work = replace(WORK, background_s=0.0, next_s=0.03)
    point = simulate(work, CLUSTER, 1, seed=0, rank_steps=100)
    assert point.rows_per_s == pytest.approx(2 * 1000 / 0.05)
    assert point.critical == pytest.approx({"model": 0.4, "loader": 0.6, "storage": 0, "network": 0})
    assert point.bottleneck == "loader"


def test_shared_storage_is_the_limit_of_many_nodes_only() -> None:
    work, cluster = replace(WORK, read_bytes=1e6), replace(CLUSTER, storage_bytes_per_s=1e9)
    few, many = (simulate(work, cluster, nodes, seed=0, rank_steps=100) for nodes in (1, 32))
    assert (few.rows_per_s, few.bottleneck) == (pytest.approx(2 * 1000 / 0.02), "model")
    assert (many.rows_per_s, many.bottleneck) == (pytest.approx(1e9 / 1e6 * 1000), "storage")


def test_a_loader_without_threads_of_its_own_waits_for_storage_in_next() -> None:
    work, cluster = replace(WORK, background_s=0.0, read_bytes=1e6), replace(CLUSTER, storage_bytes_per_s=1e8)
    assert rate(work, cluster) == pytest.approx(2 * 1000 / (2 * 1e6 / 1e8 + 0.02))


def test_gradients_over_a_slow_network_are_the_bottleneck() -> None:
    work = replace(WORK, gradient_bytes=1e9)
    point = simulate(work, replace(CLUSTER, network_bytes_per_s=50e9), 2, seed=0, rank_steps=100)
    assert point.rows_per_s == pytest.approx(4 * 1000 / (0.02 + 2 * 3 / 4 / 50))
    assert point.bottleneck == "network"


def test_ranks_share_the_cores_of_their_node() -> None:
    alone = replace(WORK, background_s=0.0, next_s=0.01)
    assert rate(alone, replace(CLUSTER, gpus_per_node=4, cores_per_node=2)) == pytest.approx(4 * 1000 / 0.06)
    assert rate(alone, replace(CLUSTER, gpus_per_node=2, cores_per_node=2)) == pytest.approx(2 * 1000 / 0.03)


def test_jitter_costs_more_with_more_ranks_and_is_the_same_for_the_same_seed() -> None:
    jittery = replace(CLUSTER, jitter=0.2)
    one, many = (simulate(WORK, jittery, nodes, seed=3, rank_steps=2000) for nodes in (1, 32))
    assert many.rows_per_s / 32 < 0.9 * one.rows_per_s
    assert many.straggler_fraction > one.straggler_fraction
    assert simulate(WORK, jittery, 1, seed=3, rank_steps=2000) == one
    assert simulate(WORK, jittery, 1, seed=4, rank_steps=2000) != one


def test_jitter_keeps_the_mean() -> None:
    [factors] = jitter(1, 100_000, 0.3, (0, 1, 2))
    assert sum(factors) / len(factors) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("shares", "next_fraction", "word"),
    [
        ({"model": 0.9, "loader": 0.06, "storage": 0.0, "network": 0.04}, 0.0, "loader"),
        ({"model": 0.9, "loader": 0.06, "storage": 0.0, "network": 0.04}, 0.06, "model"),
        ({"model": 0.7, "loader": 0.1, "storage": 0.2, "network": 0.0}, 0.0, "storage"),
        ({"model": 0.3, "loader": 0.0, "storage": 0.0, "network": 0.7}, 0.0, "network"),
    ],
)
def test_a_rank_that_waits_for_batches_is_fed_too_slowly_however_short_the_wait(
    shares: dict[clusters.Cause, float], next_fraction: float, word: str
) -> None:
    assert bottleneck(shares, next_fraction) == word
