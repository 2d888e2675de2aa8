"""What one rank does for each step, in seconds, bytes and cores, and the cluster that it does it on."""

from __future__ import annotations

from dataclasses import dataclass

MAX_JITTER = 2.0
"""With more, the mean lies beyond almost every step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The work of one rank for one full batch, without other ranks beside it."""

    batch_size: int
    """Rows per batch and rank."""
    prefetch: int
    """Batches that may be ready before the model asks for them."""
    next_s: float
    """Work of the loader in the consumer's own thread. It delays the model's step."""
    next_cores: float
    """Cores that are busy in that time."""
    background_s: float
    """Work of the loader's threads or processes on a batch, beside the model. 0: it does all its work in next()."""
    background_cores: float
    model_s: float
    """Forward, backward and the optimizer's step, without the exchange of gradients."""
    model_cores: float
    read_bytes: float
    """Bytes that a batch needs from storage. 0: the loader holds its shard in memory."""
    gradient_bytes: float
    """Bytes of gradients that the ranks average in a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What the nodes share, and what each of them has."""

    gpus_per_node: int
    """Ranks on each node. Without GPUs, its processes."""
    cores_per_node: float
    storage_bytes_per_s: float | None
    """Bandwidth of the storage that all nodes read from. None: no limit."""
    network_bytes_per_s: float | None
    """Bandwidth between two nodes. None: no limit."""
    node_bytes_per_s: float | None
    """Bandwidth between two ranks of one node. None: no limit."""
    latency_s: float
    """Time of one message between two ranks, whatever its size."""
    jitter: float
    """Standard deviation of the logarithm of each piece of work. 0: every step takes equally long."""
