"""How many rounds are suggested."""

from __future__ import annotations

from math import log
from pathlib import Path
from statistics import fmean, stdev

import pytest

from feedrate.bench.results.record import RunRecord, TrialResult
from feedrate.bench.results.stats import SURE, estimate, interval_from
from feedrate.reports.analysis.answers.rounds import rounds_to_judge_share, rounds_to_rank
from feedrate.reports.analysis.summarize import Row, summarize
from tests.samples.records.compared_loaders import advice, compared
from tests.samples.sample_record import record, trial

NAME = "train_rows_per_s"


def rows_of(run: RunRecord) -> dict[str, Row]:
    return {row.loader: row for row in summarize([(Path("run"), run)]).rows}


def test_the_interval_from_a_deviation_is_that_of_the_samples() -> None:
    found = estimate([1.0, 2.0, 4.0], SURE)
    assert interval_from(found.mean, 1.5275252316519468, 3, SURE) == pytest.approx((found.low, found.high))


@pytest.mark.parametrize("ratio", [1.05, 1.10, 1.20])
def test_the_suggested_rounds_settle_the_order_and_one_fewer_does_not(ratio: float) -> None:
    noise = (0.06, -0.06, 0.0, 0.06, -0.06)
    rows = rows_of(compared(ratio, noise))
    more = rounds_to_rank(rows["b"], rows["a"], NAME)
    if ratio == 1.20:
        assert more == 1
        return
    assert more is not None
    logs = [log(ratio * (1 + x)) for x in noise]
    total = len(noise) + more
    assert interval_from(fmean(logs), stdev(logs), total, SURE)[0] > 0
    assert interval_from(fmean(logs), stdev(logs), total - 1, SURE)[0] <= 0


def test_a_hopeless_pair_gets_no_number_but_advice() -> None:
    wild = (4.0, -0.9, 1.0, -0.8, 2.0, -0.5)
    rows = rows_of(compared(1.0, wild))
    assert rounds_to_rank(rows["b"], rows["a"], NAME) is None
    assert "differ too much to choose by speed, and even 100 more rounds" in advice(compared(1.0, wild)).sentence


def test_a_difference_at_the_threshold_is_narrowed_instead() -> None:
    noise = (0.02, -0.02, 0.0, 0.02, -0.02)
    assert "should narrow the factor of b to a to ±3 %" in advice(compared(1.03, noise)).sentence


def test_one_round_gives_no_forecast() -> None:
    rows = rows_of(compared(1.05, (0.0,)))
    assert rounds_to_rank(rows["b"], rows["a"], NAME) is None
    assert rounds_to_judge_share(rows["b"]) is None


def _share_run(*shares: float) -> RunRecord:
    trials: list[TrialResult] = []
    for number, share in enumerate(shares):
        trials += [trial("a", "train", 1000 * share, number), trial("replay", "replay", 1000, number)]
    return record(*trials)


def test_more_rounds_may_tell_whether_the_loader_feeds_the_model() -> None:
    run = _share_run(0.97, 1.0, 0.985)
    assert rounds_to_judge_share(rows_of(run)["a"]) in range(1, 20)
    assert "should tell whether the loader or the model holds you back with a" in advice(run).sentence
