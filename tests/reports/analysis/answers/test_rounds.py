"""How many rounds are suggested, how long they take, and the command that runs them."""

from __future__ import annotations

import shlex
from dataclasses import replace
from math import log
from pathlib import Path
from statistics import fmean, stdev

import pytest

from feedrate.bench.results.record import RunRecord, TrialResult
from feedrate.bench.results.stats import SURE, estimate, interval_from
from feedrate.reports.analysis.answers.answer import answers
from feedrate.reports.analysis.answers.next_step import NextStep
from feedrate.reports.analysis.answers.rounds import (
    continued,
    round_s,
    rounds_to_judge_share,
    rounds_to_rank,
    with_more_rounds,
)
from feedrate.reports.analysis.summarize import Row, summarize
from tests.samples.sample_record import record, trial

NAME = "train_rows_per_s"


def rows_of(run: RunRecord) -> dict[str, Row]:
    return {row.loader: row for row in summarize([(Path("run"), run)]).rows}


def compared(ratio: float, noise: tuple[float, ...]) -> RunRecord:
    """Loader b is `ratio` times a. The noise is b's alone, so it is that of the ratio."""
    trials = [trial("a", "train", 100, number) for number in range(len(noise))]
    trials += [trial("b", "train", 100 * ratio * (1 + x), number) for number, x in enumerate(noise)]
    return replace(record(*trials), baseline="a")


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
    assert "differ too much to choose by speed, and even 100 more rounds" in _next(compared(1.0, wild)).sentence


def test_a_difference_at_the_threshold_is_narrowed_instead() -> None:
    noise = (0.02, -0.02, 0.0, 0.02, -0.02)
    assert "should narrow the factor to ±3 %" in _next(compared(1.03, noise)).sentence


def test_one_round_gives_no_forecast() -> None:
    rows = rows_of(compared(1.05, (0.0,)))
    assert rounds_to_rank(rows["b"], rows["a"], NAME) is None
    assert rounds_to_judge_share(rows["b"]) is None


def _next(run: RunRecord) -> NextStep:
    [found] = answers(summarize([(Path("run"), run)]))
    return found.next


def timed(run: RunRecord, *seconds: int) -> RunRecord:
    trials = [
        replace(one, started_at=f"2026-01-01T00:{second // 60:02}:{second % 60:02}+00:00", run_at="x")
        for one, second in zip(run.trials, seconds, strict=True)
    ]
    return replace(run, trials=tuple(trials))


def test_a_round_lasts_as_long_as_its_trials() -> None:
    run = timed(compared(1.05, (0.06, -0.06, 0.0)), 0, 20, 40, 60, 80, 100)
    assert round_s(run) == 40
    assert ", about " in _next(run).sentence


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", None])
def test_times_that_are_none_give_no_duration(text: str | None) -> None:
    run = compared(1.05, (0.06, -0.06, 0.0))
    run = replace(run, trials=tuple(replace(one, started_at=text) for one in run.trials))
    assert round_s(run) is None
    assert "about" not in _next(run).sentence


def _with_seeds(*seeds: int) -> RunRecord:
    trials = [trial("a", "train", 100), trial("b", "train", 101)]
    return record(*(replace(one, spec=replace(one.spec, seed=seed)) for seed in seeds for one in trials))


def test_more_rounds_are_whole_cycles_of_the_seeds() -> None:
    assert with_more_rounds(_with_seeds(0, 1, 2), 1) == (3, {"--repeats": "2", "--seeds": "0,1,2"})
    assert with_more_rounds(_with_seeds(5), 2) == (2, {"--repeats": "1", "--seeds": "5,6,7"})


def commanded(command: str) -> RunRecord:
    run = _with_seeds(0, 1, 2)
    return replace(run, environment=replace(run.environment, command=command))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("feedrate run DATA -o RUN", "feedrate run DATA -o RUN --repeats 2 --resume"),
        ("feedrate run DATA -o RUN --budget 60 --overwrite --loaders a,b", "feedrate run DATA -o RUN --loaders a,b --repeats 2 --resume"),
        ("feedrate run DATA --repeats=1 -o RUN --precision 0.1 --resume", "feedrate run DATA -o RUN --repeats 2 --resume"),
        ("python bench.py", ""),
    ],
)  # fmt: skip
def test_the_command_continues_the_run(command: str, expected: str) -> None:
    assert continued(commanded(command), {"--repeats": "2"}) == expected


def test_modes_are_added_without_touching_the_budget() -> None:
    command = continued(commanded("feedrate run D --modes load --budget 60 -o R"), {"--modes": "load,train"})
    assert command == "feedrate run D --budget 60 -o R --modes load,train --resume"


def test_a_stranger_s_command_is_quoted_for_the_shell() -> None:
    command = continued(commanded("feedrate run D;rm -rf ~ $(boom) `boom` -o R"), {"--repeats": "2"})
    assert shlex.split(command)[:7] == ["feedrate", "run", "D;rm", "-rf", "~", "$(boom)", "`boom`"]
    assert "'D;rm'" in command
    assert "'$(boom)'" in command


def test_an_old_record_is_not_continued() -> None:
    assert continued(replace(commanded("feedrate run D -o R"), schema_version=1), {}) == ""


def _share_run(*shares: float) -> RunRecord:
    trials: list[TrialResult] = []
    for number, share in enumerate(shares):
        trials += [trial("a", "train", 1000 * share, number), trial("replay", "replay", 1000, number)]
    return record(*trials)


def test_more_rounds_may_tell_whether_the_loader_feeds_the_model() -> None:
    run = _share_run(0.97, 1.0, 0.985)
    assert rounds_to_judge_share(rows_of(run)["a"]) in range(1, 20)
    assert "should tell whether the loader or the model holds you back" in _next(run).sentence
