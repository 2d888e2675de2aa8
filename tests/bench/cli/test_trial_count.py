"""Trial k of n and the time left, with a clock made by hand."""

from __future__ import annotations

from feedrate.bench.cli.run.trial_count import TrialCount


class _Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_fixed_number_of_rounds_gives_k_of_n_and_the_time_left() -> None:
    clock = _Clock()
    count = TrialCount(per_round=4, max_rounds=3, planned=12, existing=2, clock=clock)
    assert (count.name(1), count.time_left()) == ("3 of 12", "")
    clock.now_s += 20
    count.add()
    assert (count.name(2), count.time_left()) == ("4 of 12", "about 3 min left")  # nine more of 20 s
    clock.now_s += 60
    assert count.time_left() == "about 5 min left"  # the second one takes 60 s already, so a mean trial takes 40


def test_a_stopping_rule_gives_the_most_that_its_budget_allows() -> None:
    clock = _Clock()
    count = TrialCount(per_round=4, max_rounds=200, planned=None, budget_s=100.0, clock=clock)
    assert count.name(1) == "1 (round 1)"
    for _ in range(4):
        clock.now_s += 10
        count.add()
    assert (count.name(5), count.time_left()) == ("5 of at most 8", "up to 40 s left")  # a round takes 40 s
    clock.now_s += 30
    count.add()
    assert count.name(6) == "6 of at most 8"  # the second round is under way, whatever it takes


def test_no_more_rounds_are_promised_than_the_rule_allows() -> None:
    clock = _Clock()
    count = TrialCount(per_round=2, max_rounds=3, planned=None, budget_s=1e6, clock=clock)
    clock.now_s += 1
    count.add()
    assert count.name(2) == "2 of at most 6"
