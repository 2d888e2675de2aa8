"""Which rounds a continued run adds, how long they take, and the command that runs them."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results.record import RunRecord
from feedrate.bench.results.spec import DEFAULT_LOADERS
from feedrate.reports.analysis.answers.answer import answers
from feedrate.reports.analysis.answers.continued_run import continued, with_more_rounds
from feedrate.reports.analysis.answers.rounds import rounds_to_rank
from feedrate.reports.analysis.summarize import summarize
from tests.samples.records.compared_loaders import advice, compared
from tests.samples.sample_record import record, trial


def timed(run: RunRecord, *seconds: int) -> RunRecord:
    trials = [
        replace(one, started_at=f"2026-01-01T00:{second // 60:02}:{second % 60:02}+00:00", run_at="x")
        for one, second in zip(run.trials, seconds, strict=True)
    ]
    return replace(run, trials=tuple(trials))


def test_a_round_lasts_as_long_as_its_trials() -> None:
    run = timed(compared(1.05, (0.06, -0.06, 0.0)), 0, 20, 40, 60, 80, 100)
    assert with_more_rounds(run, 2, frozenset({(0, 0), (1, 0), (2, 0)})).seconds == 80
    assert ", about " in advice(run).sentence


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", None])
def test_times_that_are_none_give_no_duration(text: str | None) -> None:
    run = compared(1.05, (0.06, -0.06, 0.0))
    run = replace(run, trials=tuple(replace(one, started_at=text) for one in run.trials))
    assert with_more_rounds(run, 2, frozenset()).seconds is None
    assert "about" not in advice(run).sentence


def _with_seeds(*seeds: int) -> RunRecord:
    trials = [trial("a", "train", 100), trial("b", "train", 101)]
    return record(*(replace(one, spec=replace(one.spec, seed=seed)) for seed in seeds for one in trials))


def test_more_rounds_are_whole_cycles_of_the_seeds() -> None:
    done = frozenset({(0, 0), (0, 1), (0, 2)})
    more = with_more_rounds(commanded("feedrate run D --loaders a,b"), 1, done)
    assert (more.rounds, more.options) == (3, {"--repeats": "2", "--seeds": "0,1,2"})
    more = with_more_rounds(_with_seeds(5), 2, frozenset({(0, 5)}))
    assert more.rounds == 2
    assert more.options["--seeds"] == "5,6,7"


def _later_trained() -> RunRecord:
    """Six rounds of the loaders only, of ten seconds a trial, and training in the first two, of a minute a trial."""
    load = [trial(name, "load", rate, repeat) for repeat in range(6) for name, rate in (("a", 100), ("b", 101))]
    train = [
        trial(name, "train", rate + repeat, repeat) for repeat in range(2) for name, rate in (("a", 100), ("b", 101))
    ]
    starts = [*range(0, 120, 10), *range(200, 440, 60)]
    run = timed(replace(record(*load, *train), baseline="a"), *starts)
    sessions = [replace(one, run_at=one.spec.mode) for one in run.trials]
    return replace(
        run,
        trials=tuple(sessions),
        environment=replace(run.environment, command="feedrate run D --loaders a,b --modes load -o R"),
    )


def test_rounds_of_the_loader_only_do_not_count_for_training() -> None:
    more = with_more_rounds(_later_trained(), 7, frozenset({(0, 0), (1, 0)}))
    assert more.rounds == 7
    assert (
        more.seconds == 7 * 2 * 60 + 3 * 2 * 10
    )  # nine rounds have 14 trainings more, and three of them lack the loaders
    assert more.options == {"--modes": "load,train", "--repeats": "9", "--seeds": "0"}


def test_the_advice_on_training_counts_the_rounds_that_trained() -> None:
    run = _later_trained()
    row, base = summarize([(Path("run"), run)]).rows
    needed = rounds_to_rank(row, base, "train_rows_per_s")
    assert needed is not None
    assert advice(run).command.endswith(f"--modes load,train --repeats {2 + needed} --seeds 0 --resume")


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


def test_a_record_that_cannot_be_continued_gets_the_command_of_a_new_run(tmp_path: Path) -> None:
    run = timed(compared(1.05, (0.06, -0.06, 0.0)), 0, 20, 40, 60, 80, 100)
    run = replace(run, environment=replace(run.environment, command="feedrate run D --loaders a,b -o runs/x/ --resume"))
    [here] = answers(summarize([(tmp_path, run)], run.environment.commit))
    assert here.next.command.endswith("-o runs/x/ --repeats 15 --seeds 0 --resume")
    (tmp_path / "run.json.gz").touch()
    [packed] = answers(summarize([(tmp_path, run)]))
    assert packed.next.command == "feedrate run D --loaders a,b -o runs/x-2 --repeats 15 --seeds 0"
    assert packed.next.sentence.startswith(
        "A new run of 15 rounds should settle the order of b and a, about 10 minutes."
    )
    assert packed.next.sentence.endswith("The record is compressed, so it cannot be continued.")
    [later] = answers(summarize([(Path("run"), run)], "another"))
    assert later.next.sentence.endswith("The record was made at another commit, so it cannot be continued.")
    assert later.next.command == packed.next.command


@pytest.mark.parametrize("output", ["-o RUN", "--output RUN", "--output=RUN"])
def test_a_new_run_has_a_folder_beside_the_old_one(output: str) -> None:
    command = continued(commanded(f"feedrate run DATA {output} --epochs 3"), {}, anew=True)
    assert command == f"feedrate run DATA {output}-2 --epochs 3"


def test_a_run_that_names_no_loaders_has_those_of_the_command_line() -> None:
    trials = [trial(name, "train", 100, n) for n in range(2) for name in DEFAULT_LOADERS]
    assert "--loaders" not in with_more_rounds(record(*trials), 1, frozenset()).options
