"""The prediction for clusters of several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feedrate.bench.results.predictions.prediction import Prediction
from feedrate.bench.results.record import RunRecord
from feedrate.bench.simulation.assumptions import assumptions
from feedrate.bench.simulation.cluster import RANK_STEPS, simulate
from feedrate.bench.simulation.measured import Given, Measured, measured
from feedrate.bench.simulation.workload import Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """The nodes as a user describes them."""

    counts: tuple[int, ...]
    """Numbers of nodes to simulate."""
    gpus: int
    """Ranks on each of them."""
    cores: float | None = None
    """Cores of each of them. None: those of the record, for each GPU."""
    storage_gb_s: float | None = None
    network_gb_s: float | None = None
    node_gb_s: float | None = None
    """Within a node. None: as between nodes."""
    latency_us: float = 0.0
    jitter: float | None = None
    """None: that of the record."""


def predict(
    records: Sequence[RunRecord], given: Given, nodes: Nodes, *, seed: int = 0, rank_steps: int = RANK_STEPS
) -> Prediction:
    """Predict training on each number of nodes. Raises FeedrateError if the records lack something."""
    known = measured(records, given)
    cluster = _cluster(known, nodes)
    points = tuple(
        simulate(known.work, cluster, count, seed=seed, rank_steps=rank_steps) for count in sorted(set(nodes.counts))
    )
    return Prediction(
        loader=known.loader,
        dataset=known.dataset,
        model_rows_per_s=known.model_rows_per_s,
        assumptions=assumptions(known, given, cluster, points, seed),
        points=points,
    )


def _cluster(known: Measured, nodes: Nodes) -> Cluster:
    machines = nodes.gpus if known.on_gpu else 1  # without GPUs, all ranks share the cores that one process had
    return Cluster(
        gpus_per_node=nodes.gpus,
        cores_per_node=nodes.cores or known.cores * machines,
        storage_bytes_per_s=_bytes(nodes.storage_gb_s),
        network_bytes_per_s=_bytes(nodes.network_gb_s),
        node_bytes_per_s=_bytes(nodes.network_gb_s if nodes.node_gb_s is None else nodes.node_gb_s),
        latency_s=nodes.latency_us / 1e6,
        jitter=(known.jitter or 0.0) if nodes.jitter is None else nodes.jitter,
    )


def _bytes(gigabytes: float | None) -> float | None:
    return None if gigabytes is None else gigabytes * 1e9
