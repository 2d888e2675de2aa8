"""Who leads if no interval proves it, and who stands first if one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results.record import TrialResult
from feedrate.reports.analysis.answers.answer import Answer, answers
from feedrate.reports.analysis.summarize import summarize
from tests.samples.sample_record import record, trial


def _answer(**rates: Sequence[float]) -> Answer:
    trials = [trial(name, "train", rate, n) for name, values in rates.items() for n, rate in enumerate(values)]
    return _of(trials)


def _of(trials: Sequence[TrialResult]) -> Answer:
    [found] = answers(summarize([(Path("run"), replace(record(*trials), baseline="a"))]))
    return found


def test_a_lead_in_every_round_is_said_and_is_no_proof() -> None:
    found = _answer(a=(100, 105, 95), b=(180, 260, 190))
    assert found.which == "In training, b was faster than a in all 3 rounds, but 3 rounds do not prove it."
    assert found.factor.startswith(
        "2.1 times a in the measured rounds, but anything from 1.2 times slower to 5.3 times faster"
    )
    assert "1 more round should settle the order of b and a" in found.next.sentence
    assert found.field.measured == "3 rounds on A GPU, batch size 100"


@pytest.mark.parametrize(
    ("b", "words"),
    [
        ((101, 99, 103), "in 2 of 3 rounds, but 3 rounds do not prove it."),
        ((99, 99, 108), "on average over 3 rounds, but 3 rounds do not prove it."),
        ((110, 115), "in both rounds, but 2 rounds do not prove it."),
        ((110,), "in one round, but one round does not prove it."),
    ],
)
def test_the_title_counts_the_rounds_that_were_won(b: Sequence[float], words: str) -> None:
    assert _answer(a=(100, 100.1, 100.2)[: len(b)], b=b).which == f"In training, b was faster than a {words}"


def test_the_higher_mean_of_a_wild_loader_is_no_lead() -> None:
    found = _answer(a=(100, 101, 100), b=(10, 12, 400))
    assert found.which == "In training, b and a cannot be told apart after 3 rounds."


def test_what_is_proven_comes_before_what_is_open() -> None:
    found = _answer(a=(100, 101, 100), b=(300, 302, 301), c=(150, 450, 250))
    assert found.which.startswith("In training, b is faster than a. It was faster than c in 2 of 3 rounds, but")
    assert found.factor.startswith("3.0 times a (")
    assert ". 1.2 times c" not in found.factor
    assert " against c in the measured rounds" in found.factor


def test_a_proven_winner_stands_first_even_if_a_missing_round_gives_another_the_higher_mean() -> None:
    """Loader a lacks the slow rounds, so its mean is higher, but b won each round that both ran."""
    a = [trial("a", "train", rate, n) for n, rate in enumerate((1000, 1010, 990))]
    b = [trial("b", "train", rate, n) for n, rate in enumerate((1100, 1111, 1089, 200, 201))]
    found = _of([*a, *b])
    assert found.which == "b is the fastest in training."
    assert [row.label for row in found.field.order.rows] == ["b", "a"]
    assert found.factor.startswith("+10.0 % against a (")
    assert found.field.measured.startswith("3 to 5 rounds on")


def test_a_slower_loader_that_is_not_proven_slower_stands_below_a_faster_one_that_is() -> None:
    found = _answer(a=(100, 100.1, 100.2), b=(110, 110.1, 110.1), c=(60, 130, 85))
    assert [[row.label for row in group] for group in found.field.groups] == [["b"], ["a", "c"]]
    assert [row.label for row in found.field.order.rows if found.field.perhaps_fastest(row)] == ["c"]
