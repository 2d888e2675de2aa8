"""The sentence on a loader's ranks, computed by hand from two of them."""

from __future__ import annotations

from dataclasses import replace

from feedrate.bench.results.ranks_record import RankEpoch, RankRecord, RanksRecord
from feedrate.reports.analysis.answers.rank_spread import rank_spread
from tests.samples.sample_record import trial


def rank(*walls_s: float, allreduce_s: float = 0.0) -> RankRecord:
    """A rank whose epochs took so long."""
    epochs = tuple(RankEpoch(rows=100, wall_s=wall_s, wait_s=0.0, allreduce_s=allreduce_s) for wall_s in walls_s)
    return RankRecord(device="cpu", epochs=epochs, first_batch_s=0.1)


def test_the_spread_and_the_share_of_averaging_are_those_of_the_steady_epochs() -> None:
    ranks = RanksRecord(
        backend="gloo",
        uneven_ends="join",
        ranks=(rank(9.0, 2.0, allreduce_s=0.5), rank(1.0, 2.5, allreduce_s=0.5)),
    )
    trained = replace(trial("cupy", "train", 70), ranks=ranks, first_epochs=1)
    assert rank_spread([trained]) == (
        "2 ranks through gloo: the slowest took 25.0 % longer than the fastest, "
        "and gradients were averaged for 22.5 % of the training time"
    )


def test_a_single_process_has_no_spread() -> None:
    assert rank_spread([trial("cupy", "train", 70)]) == ""
