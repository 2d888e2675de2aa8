"""One result from two ranks, computed by hand."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from feedrate.bench.results.record import EpochRecord, ShuffleRecord
from feedrate.bench.trial.merged import Part, merged
from tests.samples.sample_record import trial

OTHER = Part(
    device="cpu",
    local_rank=0,
    epochs=(EpochRecord(rows=99, wall_s=3.0, wait_s=0.5),),
    first_batch_s=0.9,
    peak_gpu_bytes=None,
    flags=("both say this", "a core was busy: why"),
    shuffle=ShuffleRecord(quality=0.4, displacement=0.4, diversity=0.9, expected_low=0.9, samples=100),
)


class Two:
    """Rank 0 of two hosts with a rank each."""

    rank, size, local_rank = 0, 2, 0

    def all(self, value: bytes) -> list[bytes]:
        return [value, msgspec.json.encode(OTHER)]

    def barrier(self) -> None:
        return None


def test_the_slowest_rank_ends_an_epoch_and_a_flag_of_one_rank_names_it() -> None:
    own = replace(
        trial("cupy", "load", 70),
        epochs=(EpochRecord(rows=100, wall_s=2.0, wait_s=0.1),),
        first_batch_s=0.1,
        flags=("both say this",),
        shuffle=ShuffleRecord(quality=0.99, displacement=1.0, diversity=0.99, expected_low=0.9, samples=100),
    )
    result = merged(Two(), own)
    assert (result.rows, result.wall_s, result.first_batch_s) == (199, 3.0, 0.9)
    assert result.flags == ("both say this", "a core was busy: why (rank 1)")
    assert result.shuffle == OTHER.shuffle
    assert result.ranks is not None
    assert [rank.shuffle_quality for rank in result.ranks.ranks] == [0.99, 0.4]
    assert (result.ranks.hosts, [rank.epochs[0].rows for rank in result.ranks.ranks]) == (2, [100, 99])
