"""What each rank of a trial measured, if several ran it together."""

from __future__ import annotations

from dataclasses import dataclass

from feedrate.bench.results.bounds import Bytes, Count, SampledShare, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RankEpoch:
    """One timed epoch of one rank: from the common start until its own device has finished its own last step."""

    rows: Count
    wall_s: Seconds
    wait_s: Seconds
    """Host time in the loader's next()."""
    stall_s: Seconds | None = None
    """The part of wait_s in which the device had nothing to do. None if it was not measured."""
    allreduce_s: Seconds | None = None
    """Time in which gradients were being averaged over the ranks, beside other work or not. Training only."""
    exchange_s: Seconds | None = None
    """The same for rows of tables whose rows lie on several ranks, and for the gradients of these rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankRecord:
    """One rank."""

    device: str
    epochs: tuple[RankEpoch, ...]
    first_batch_s: Seconds
    """From before its loader was opened until its first batch was ready on its device."""
    peak_gpu_bytes: Bytes | None = None
    shuffle_quality: SampledShare | None = None
    """How well its rows are mixed within its shard. The trial's is that of the rank with the lowest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RanksRecord:
    """All ranks of a trial. An epoch of the trial lasts as long as that of its slowest rank."""

    backend: str
    """What the gradients pass through: gloo or nccl."""
    uneven_ends: str
    """What happens if a rank has more batches than another one."""
    hosts: Count = 1
    """Machines that the ranks ran on: the ranks with the local rank 0."""
    ranks: tuple[RankRecord, ...]
    """In the order of their numbers."""
