"""Says where the numbers of a simulation come from, and what it simplifies. Every sentence is printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from feedrate.bench.results.predictions.prediction import Point
from feedrate.bench.simulation.measured import Given, Measured
from feedrate.bench.simulation.workload import Cluster

SIMPLIFIED = (
    "All ranks are simulated, but only some steps: {steps} for each number of nodes.",
    "If the record does not say which thread the loader works in, a loader that has workers or reads files is taken to work ahead.",
    "Every batch is full. Evaluations, checkpoints, failures and the start of an epoch are left out.",
    "Reads and gradients do not slow each other on the network. Ranks of a node share its cores, but not its memory bandwidth.",
    "Gradients are averaged after the backward pass. DistributedDataParallel hides a part of that on GPUs, so it is an upper bound.",
    "Jitter is independent from step to step and from rank to rank. No node is slower than the others for long.",
)


def assumptions(
    measured: Measured, given: Given, cluster: Cluster, points: Sequence[Point], seed: int
) -> tuple[str, ...]:
    """Return the sentences."""
    fewest, most = (end(point.steps for point in points) for end in (min, max))
    steps = f"{most}" if fewest == most else f"{fewest} to {most}"
    simplified = (sentence.format(steps=steps) for sentence in SIMPLIFIED)
    return (*_of_record(measured, given), *_of_cluster(measured, cluster, seed), *simplified)


def _of_record(measured: Measured, given: Given) -> Iterator[str]:
    work, (load, replay) = measured.work, measured.trials
    yield (
        f"Measured on {measured.machine}, {measured.cores} cores, {work.batch_size:,} rows per batch: {measured.loader} alone "
        f"{_rows(measured.load_rows_per_s)} ({_trials(load)}), model alone {_rows(measured.model_rows_per_s)} ({_trials(replay)})."
    )
    if work.background_s:
        yield (
            f"{measured.loader} prepares a batch in {_ms(work.background_s)} on {work.background_cores:.1f} cores beside the model, "
            f"with up to {work.prefetch} ready. {_ms(work.next_s)} of work in next() delay each step."
        )
    else:
        yield f"{measured.loader} works in next(): {_ms(work.next_s)} per batch on {work.next_cores:.1f} cores, which delay each step."
    bytes_per_row = work.read_bytes / work.batch_size
    if given.bytes_per_row is not None:
        yield f"Storage: {bytes_per_row:.3g} bytes per row, from --bytes-per-row."
    elif bytes_per_row:
        yield (
            f"Storage: {bytes_per_row:.3g} bytes per row, from the record's read calls, which may count pipes of workers. "
            "--bytes-per-row sets another number."
        )
    else:
        yield "Storage: read calls of the record are too few for rows, so the shard stays in memory. --bytes-per-row sets a number."
    source = "--gradient-mb" if given.gradient_bytes is not None else "the record, all parameters"
    yield f"Gradients: {work.gradient_bytes / 1e6:.3g} MB per step, from {source}. A model step keeps {work.model_cores:.1f} cores busy."


def _of_cluster(measured: Measured, cluster: Cluster, seed: int) -> Iterator[str]:
    within = f"{_bandwidth(cluster.node_bytes_per_s)} within a node"
    between = f"{_bandwidth(cluster.network_bytes_per_s)} between nodes"
    yield (
        f"All-reduce: a ring of all ranks, 2 (R - 1) / R times the bytes over the slowest link ({within}, {between}), and "
        f"2 log2(R) messages of {cluster.latency_s * 1e6:.3g} us."
    )
    yield (
        f"Storage is shared fairly by all reads: {_bandwidth(cluster.storage_bytes_per_s)}. A rank reads at most at its share of the "
        "node's link."
    )
    yield f"A node has {cluster.gpus_per_node} ranks and {cluster.cores_per_node:g} cores; the record's machine has {measured.cores} cores."
    yield f"Jitter: log-normal with sigma {cluster.jitter:.3g}, for loader and model. The record's steps of the model have {_sigma(measured)}. Seed {seed}."


def _trials(number: int) -> str:
    return f"{number} trial{'s' * (number != 1)}"


def _sigma(measured: Measured) -> str:
    return "none recorded" if measured.jitter is None else f"{measured.jitter:.3g}"


def _bandwidth(bytes_per_s: float | None) -> str:
    return "no limit" if bytes_per_s is None else f"{bytes_per_s / 1e9:g} GB/s"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"


def _rows(rows_per_s: float) -> str:
    return f"{rows_per_s / 1e6:,.2f} M rows/s"
