"""One result from those of all ranks: the rows of all, and the time of the slowest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec

from feedrate.bench.host.ranks.group import Alone, Group
from feedrate.bench.results.ranks_record import RankEpoch, RankRecord, RanksRecord
from feedrate.bench.results.record import EpochRecord, ShuffleRecord, TrialResult
from feedrate.bench.results.spec import shared_fields

REPEATED = "equal numbers of steps: a rank without further batches repeats its last one with the weight 0"
NO_EXCHANGE = "ranks exchange nothing within an epoch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a rank tells the others."""

    device: str
    local_rank: int
    epochs: tuple[EpochRecord, ...]
    first_batch_s: float
    peak_gpu_bytes: int | None
    flags: tuple[str, ...]
    shuffle: ShuffleRecord | None = None


def merged(group: Group, result: TrialResult) -> TrialResult:
    """Return the trial's result on every rank. It is this process's own if no launcher started it. Raises LostRank."""
    if isinstance(group, Alone):
        return result
    own = Part(
        device=result.spec.device,
        local_rank=group.local_rank,
        epochs=result.epochs or (),
        first_batch_s=result.first_batch_s or 0.0,
        peak_gpu_bytes=result.peak_gpu_bytes,
        flags=result.flags,
        shuffle=result.shuffle,
    )
    parts = [msgspec.json.decode(value, type=Part) for value in group.all(msgspec.json.encode(own))]
    epochs = tuple(_together(epoch) for epoch in zip(*(part.epochs for part in parts), strict=True))
    return replace(
        result,
        epochs=epochs,
        rows=sum(epoch.rows for epoch in epochs),
        wall_s=sum(epoch.wall_s for epoch in epochs),
        first_batch_s=max(part.first_batch_s for part in parts),
        peak_gpu_bytes=max((part.peak_gpu_bytes for part in parts if part.peak_gpu_bytes is not None), default=None),
        flags=tuple(_flags(parts)),
        shuffle=min(
            (part.shuffle for part in parts if part.shuffle), key=lambda shuffle: shuffle.quality, default=None
        ),
        ranks=_record(result, parts),
    )


def _together(epochs: Sequence[EpochRecord]) -> EpochRecord:
    """Return the slowest rank's record of an epoch, with the rows and requests of all ranks."""
    slowest = max(epochs, key=lambda epoch: epoch.wall_s)
    asked = [epoch.network for epoch in epochs if epoch.network]
    network = slowest.network and replace(
        slowest.network,
        requests=sum(part.requests for part in asked),
        retries=sum(part.retries for part in asked),
        bytes=sum(part.bytes for part in asked),
    )
    return replace(slowest, rows=sum(epoch.rows for epoch in epochs), network=network)


def _flags(parts: Sequence[Part]) -> Iterable[str]:
    """Yield each flag once, with the rank that raised it unless all did."""
    for rank, part in enumerate(parts):
        for flag in part.flags:
            common = all(flag in other.flags for other in parts)
            if not common:
                yield f"{flag} (rank {rank})"  # at the end, because a flag is known by how it begins
            elif rank == 0:
                yield flag


def _record(result: TrialResult, parts: Sequence[Part]) -> RanksRecord:
    ranks = tuple(
        RankRecord(
            device=part.device,
            epochs=tuple(RankEpoch(**shared_fields(epoch, RankEpoch)) for epoch in part.epochs),
            first_batch_s=part.first_batch_s,
            peak_gpu_bytes=part.peak_gpu_bytes,
            shuffle_quality=part.shuffle.quality if part.shuffle else None,
        )
        for part in parts
    )
    return RanksRecord(
        backend="gloo" if result.spec.device == "cpu" else "nccl",
        uneven_ends=NO_EXCHANGE if result.spec.mode == "load" else REPEATED,
        hosts=sum(part.local_rank == 0 for part in parts),
        ranks=ranks,
    )
