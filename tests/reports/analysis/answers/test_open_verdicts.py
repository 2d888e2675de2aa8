"""What a loader's notes say is open. The rounds they ask for are those of the advice on the first screen."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pytest

from feedrate.bench.results.record import RunRecord
from feedrate.bench.results.stats import CONFIDENCE, Estimate, interval_from
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.answers.answer import answers
from feedrate.reports.analysis.answers.open_verdicts import leaders, open_verdicts
from feedrate.reports.analysis.answers.rounds import rounds_to_judge, rounds_to_know
from feedrate.reports.analysis.answers.sides import comparison_of
from feedrate.reports.analysis.run_comparison import SampleKey, Side
from feedrate.reports.analysis.summarize import Comparison, summarize
from tests.samples.sample_record import record, trial

NOISY = (105.0, 99.0, 111.0)


def run_of(**rates: tuple[float, ...]) -> RunRecord:
    return replace(
        record(*(trial(name, "train", rate, n) for name, values in rates.items() for n, rate in enumerate(values))),
        baseline="a",
    )


def compared(**rates: tuple[float, ...]) -> Comparison:
    return summarize([(Path("run"), run_of(**rates))])


def notes_of(loader: str, comparison: Comparison, *, answered: bool = False) -> list[str]:
    [row] = [row for row in comparison.rows if row.loader == loader]
    return list(open_verdicts(row, comparison, leaders(comparison) if answered else ()))


def test_a_note_and_the_advice_ask_for_as_many_rounds() -> None:
    comparison = compared(a=(100.0, 100.0, 100.0), b=NOISY)
    [answer], [note] = answers(comparison), notes_of("b", comparison)
    asked = re.search(r"about (\d+) more should tell these two apart", note)
    assert asked is not None
    assert answer.next.sentence.startswith(f"{asked[1]} more round")


def test_rounds_are_whole_cycles_of_the_seeds_in_a_note_and_in_the_advice() -> None:
    run = run_of(a=(100.0, 100.0, 100.0), b=NOISY)
    seeded = [replace(one, spec=replace(one.spec, seed=one.spec.repeat, repeat=0)) for one in run.trials]
    comparison = summarize([(Path("run"), replace(run, trials=tuple(seeded)))])
    [answer], [note] = answers(comparison), notes_of("b", comparison)
    asked = re.search(r"about (\d+) more should tell these two apart", note)
    assert asked is not None
    assert int(asked[1]) % 3 == 0
    assert answer.next.sentence.startswith(f"{asked[1]} more rounds")


def test_what_the_advice_says_is_not_repeated() -> None:
    assert notes_of("b", compared(a=(100.0, 100.0, 100.0), b=NOISY), answered=True) == []
    slow = compared(a=(100.0, 100.0, 100.0), b=NOISY, c=(900.0, 901.0, 902.0))
    assert len(notes_of("b", slow, answered=True)) == 1


def test_one_round_is_said_of_a_loader_that_the_advice_is_not_about() -> None:
    comparison = compared(a=(100.0,), b=(200.0,))
    assert notes_of("a", comparison) == ["one round has no interval: run 2 more rounds or more"]
    assert notes_of("a", comparison, answered=True) == []


def test_the_rounds_that_make_a_rate_known_are_enough_and_one_fewer_is_not() -> None:
    values = (100.0, 220.0, 150.0)
    [row] = compared(a=values).rows
    more = rounds_to_know(row.metrics["train_rows_per_s"])
    assert more is not None

    def wide(n: int) -> bool:
        return verdicts.is_wide(Estimate(fmean(values), *interval_from(fmean(values), stdev(values), n, CONFIDENCE), n))

    assert [wide(3 + more - 1), wide(3 + more)] == [True, False]
    assert notes_of("a", compared(a=values)) == [
        f"its rate is uncertain after 3 rounds: about {more} more should narrow it"
    ]


@pytest.mark.parametrize("paired", [True, False])
def test_rates_of_zero_give_no_forecast(paired: bool) -> None:
    head: dict[SampleKey, float] = {(None, n, 0): rate for n, rate in enumerate((0.0, 1.0, 2.0))}
    assert rounds_to_judge(head, dict.fromkeys(head, 1.0), paired=paired) is None


def test_a_comparison_of_two_loaders_leaves_the_others_out() -> None:
    run = run_of(a=(100.0,), b=(200.0,), c=(300.0,))
    comparison = comparison_of(Side("run@a", run, "a"), Side("run@b", run, "b"))
    assert comparison is not None
    assert [row.loader for row in comparison.rows] == ["b", "a"]
    elsewhere = replace(run, environment=replace(run.environment, gpu="B GPU"))
    assert comparison_of(Side("x", run, None), Side("y", elsewhere, None)) is None
