"""The sentence on a loader's ranks, computed by hand from two of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results.parts.steps import steps_of
from feedrate.bench.results.ranks_record import RankEpoch, RankRecord, RanksRecord
from feedrate.bench.results.record import TrialResult
from feedrate.reports.analysis.answers.field import fields
from feedrate.reports.analysis.answers.rank_spread import rank_spread, scaling
from feedrate.reports.analysis.summarize import Comparison, summarize
from tests.samples.sample_record import RUN, record, trial


def rank(*walls_s: float, allreduce_s: float = 0.0, exchange_s: float | None = None) -> RankRecord:
    """A rank whose epochs took so long."""
    epochs = tuple(
        RankEpoch(rows=100, wall_s=wall_s, wait_s=0.0, allreduce_s=allreduce_s, exchange_s=exchange_s)
        for wall_s in walls_s
    )
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


def test_the_share_of_exchanged_rows_is_named() -> None:
    ranks = RanksRecord(backend="gloo", uneven_ends="", ranks=(rank(9.0, 2.0, exchange_s=0.5), rank(1.0, 2.0)))
    trained = replace(trial("cupy", "train", 70), ranks=ranks, first_epochs=1)
    assert rank_spread([trained]).endswith("training time, rows of shared tables exchanged for 12.5 %")


def test_steps_are_those_of_the_first_rank() -> None:
    alone = trial("cupy", "load", 70)
    ranks = RanksRecord(backend="gloo", uneven_ends="", ranks=(rank(9.0, 2.0), rank(1.0)))
    size = alone.spec.batch_size
    assert steps_of(alone) == [-(-epoch.rows // size) for epoch in alone.epochs or ()]
    assert steps_of(replace(alone, ranks=ranks)) == [-(-100 // size)] * 2


def test_a_single_process_has_no_spread() -> None:
    assert rank_spread([trial("cupy", "train", 70)]) == ""


def on(ranks: int, rates: tuple[float, ...]) -> list[TrialResult]:
    """Trials of a loader in training, a round each."""
    trials = [trial("cupy", "train", rate, repeat) for repeat, rate in enumerate(rates)]
    return [replace(result, spec=replace(result.spec, ranks=ranks)) for result in trials]


def compared(*trials: TrialResult) -> Comparison:
    return summarize([(Path("runs/x"), replace(record(*trials), baseline="cupy"))])


def test_scaling_efficiency_is_paired_by_round_and_has_an_interval() -> None:
    """Both rounds reach 160 of twice 100, although the machine was twice as fast in the second one."""
    comparison = compared(*on(1, (100, 200)), *on(2, (160, 320)))
    one, two = sorted(comparison.rows, key=lambda row: row.run)
    assert [row.label for row in (one, two)] == ["cupy, 1 rank", "cupy, 2 ranks"]
    assert scaling(one) == ""
    assert two.scaling["train"].values == pytest.approx((0.8, 0.8))
    assert scaling(two) == ("scaling efficiency of 2 ranks, against 2 times the rate of one: 80.0 % ±0 % in training")


def test_one_round_has_no_interval_and_one_number_of_ranks_no_efficiency() -> None:
    comparison = compared(*on(1, (100,)), *on(2, (150,)))
    assert scaling(comparison.rows[0]).endswith("75.0 % (n = 1) in training")
    [row] = compared(*on(2, (160, 320))).rows
    assert (row.label, scaling(row)) == ("cupy", "")


def test_numbers_of_ranks_are_never_ranked_together() -> None:
    comparison = compared(*on(1, (100, 101, 100)), *on(4, (390, 391, 390)))
    assert [field.place for field in fields(comparison)] == ["A GPU, 4 ranks", "A GPU"]
    assert all(row.verdicts == {} for row in comparison.rows)
    two_records = summarize([(Path("runs/x"), RUN), (Path("runs/y"), record(*on(1, (100,)), *on(2, (150,))))])
    assert [name for name, _ in two_records.runs] == ["x", "y, 1 rank", "y, 2 ranks"]
    assert two_records.records == (0, 1, 1)
