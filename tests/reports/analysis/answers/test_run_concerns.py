"""What is wrong with whole runs: unfinished ones, and uncommitted changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from feedrate.bench.results.record import RunRecord
from feedrate.reports.analysis.answers.run_concerns import RunConcern, run_concerns
from feedrate.reports.analysis.summarize import summarize
from tests.samples.sample_record import record, trial


def _run(*, stopped: str = "done", dirty: bool = False, last: bool = True) -> RunRecord:
    trials = [trial(name, "train", 100 + n, n) for n in range(3) for name in "ab"]
    run = record(*(trials if last else trials[:-1]))
    return replace(run, stopped=stopped, environment=replace(run.environment, dirty=dirty))


def _texts(*runs: RunRecord) -> list[RunConcern]:
    return run_concerns(summarize([(Path(name), run) for name, run in zip("xyz", runs, strict=False)]))


def test_a_finished_run_of_a_clean_checkout_is_no_concern() -> None:
    assert _texts(_run()) == []


def test_an_unfinished_run_says_how_many_trials_are_missing() -> None:
    assert _texts(_run(stopped="", last=False)) == [
        RunConcern("the run did not finish: its 3 rounds lack 1 of 6 trials", 0, "Rounds")
    ]
    assert _texts(_run(stopped="")) == [
        RunConcern("the run did not finish: it ended after 3 rounds, before the planned end", 0, "Rounds")
    ]


def test_the_first_version_of_records_does_not_say_how_a_run_ended() -> None:
    assert _texts(replace(_run(stopped=""), schema_version=1)) == []


def test_several_runs_are_named() -> None:
    assert _texts(_run(), _run(dirty=True), _run(stopped="", dirty=True)) == [
        RunConcern("run z did not finish: it ended after 3 rounds, before the planned end", 2, "Rounds"),
        RunConcern(
            "the checkout of y, z had uncommitted changes, so nobody can repeat this measurement exactly", 1, "feedrate"
        ),
    ]
