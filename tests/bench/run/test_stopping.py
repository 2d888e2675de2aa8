from __future__ import annotations

from collections.abc import Sequence

import pytest

from feedrate.bench.results.record import EpochRecord, TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.plan import Plan
from feedrate.bench.run.stopping import FixedRounds, UntilPrecise, rule_for
from feedrate.loaders.errors import FeedrateError

PRECISE = "every ratio to base is known to 5.0% or better, and every rate is known to ±8% or better"


class Clock:
    def __init__(self, round_s: float) -> None:
        self.at, self.round_s = -round_s, round_s

    def __call__(self) -> float:
        self.at += self.round_s
        return self.at


def _round(repeat: int, rows_per_s: dict[str, float]) -> list[TrialResult]:
    return [
        TrialResult(
            spec=TrialSpec(loader=loader, mode="load", repeat=repeat, seed=0, batch_size=1, epochs=1, device="cpu"),
            status="ok",
            epochs=(EpochRecord(rows=int(1e6), wall_s=1e6 / speed, wait_s=0.0),),
        )
        for loader, speed in rows_per_s.items()
    ]


def _rounds(rule: UntilPrecise, speeds: Sequence[float]) -> int:
    """How many rounds it wants when the head's speeds are these and the baseline's is 100."""
    for number, speed in enumerate(speeds):
        rule.add(_round(number, {"base": 100.0, "head": speed}))
        if rule.finished:
            return number + 1
    raise AssertionError("it never ended")


def _rule(**settings: float) -> UntilPrecise:
    return UntilPrecise(**{"baseline": "base", "width": 0.05, "budget_s": 1000.0, "clock": Clock(1.0), **settings})  # type: ignore[arg-type]


def test_quiet_measurements_end_after_the_least_rounds() -> None:
    rule = _rule()
    assert _rounds(rule, [200.0, 200.1, 199.9, 200.0]) == 3
    assert rule.finished == PRECISE


def test_noisy_ones_take_more_and_a_narrower_width_more_again() -> None:
    noisy = [200.0, 208.0, 193.0, 204.0, 197.0, 201.0, 199.0, 205.0, 195.0] * 20
    usual, narrow = _rounds(_rule(), noisy), _rounds(_rule(width=0.02), noisy)
    assert 3 < usual < narrow


def test_the_size_of_a_difference_does_not_matter() -> None:
    """Stopping where a difference shows would find too many."""
    shape = [1.0, 1.04, 0.97, 1.02, 0.98, 1.0, 1.01, 0.99] * 20
    assert _rounds(_rule(), [100 * x for x in shape]) == _rounds(_rule(), [900 * x for x in shape])


def test_no_round_is_begun_that_would_end_after_the_budget() -> None:
    rule = _rule(budget_s=25.0, clock=Clock(10.0))  # type: ignore[arg-type]
    assert _rounds(rule, [100.0, 300.0] * 9) == 2
    assert "time budget of 25 s" in rule.finished


def test_there_is_a_most() -> None:
    rule = _rule(max_rounds=7)
    assert _rounds(rule, [100.0, 300.0] * 9) == 7
    assert "7 rounds is the max" in rule.finished


def test_loaders_without_a_result_do_not_keep_it_going() -> None:
    rule = _rule()
    failed = TrialResult(spec=_round(0, {"broken": 1.0})[0].spec, status="failed")
    for number in range(3):
        rule.add([*_round(number, {"base": 100.0}), failed])
    assert rule.finished


def test_fixed_rounds_count() -> None:
    rule = FixedRounds(2)
    rule.add([])
    assert not rule.finished
    rule.add([])
    assert rule.finished == "2 rounds were requested"


def test_fixed_rounds_say_how_they_came_about() -> None:
    assert FixedRounds(1, seeds=3).max_rounds == 3
    once, each_seed = FixedRounds(1), FixedRounds(1, seeds=2)
    for rule in (once, each_seed):
        rule.add([])
        rule.add([])
    assert once.finished == "1 round was requested"
    assert each_seed.finished == "2 rounds were requested, 1 with each of 2 seeds"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"width": 0.0}, "--precision is 0"),
        ({"width": float("nan")}, "--precision is nan"),
        ({"budget_s": -1.0}, "--budget is -1"),
        ({"budget_s": float("inf")}, "--budget is inf"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        rule_for(Plan(loaders=("native",), repeats=1), **{"width": 0.05, "budget_s": 60.0, **settings})


def test_a_loader_that_fails_later_does_not_keep_the_others_waiting_for_it() -> None:
    rule = _rule()
    for number, speed in enumerate((100.0, 300.0)):
        rule.add(_round(number, {"base": 100.0, "steady": 50.0, "wild": speed}))
    rule.add(_round(2, {"base": 100.0, "steady": 50.0}))
    assert rule.finished == PRECISE


def test_rates_are_known_too_before_it_ends() -> None:
    """The machine's speed changes from round to round. Ratios are exact at once, but rates are not."""
    machine = [1.0, 1.2, 0.9, 1.1, 0.95, 1.05, 1.0, 1.02, 0.98, 1.0, 1.01, 0.99] * 4
    rule = _rule()
    for number, speed in enumerate(machine):
        rule.add(_round(number, {"base": 100.0 * speed, "head": 200.0 * speed}))
        if rule.finished:
            break
    assert 6 < number + 1 < len(machine)
    assert rule.finished == PRECISE


def test_rates_that_stay_unknown_end_with_the_budget() -> None:
    rule = _rule(budget_s=4.5)
    for number, speed in enumerate((1.0, 2.0, 1.0, 2.0)):
        rule.add(_round(number, {"base": 100.0 * speed, "head": 200.0 * speed}))
    assert "time budget of 4.5 s" in rule.finished


def test_without_a_ratio_nothing_is_said_to_be_known_about_it() -> None:
    rule = _rule()
    for number in range(3):
        rule.add(_round(number, {"other": 100.0}))
    assert rule.finished == "no loader can be compared with base, and every rate is known to ±8% or better"


def test_without_any_result_more_rounds_would_not_help() -> None:
    rule = _rule()
    for _ in range(3):
        rule.add([])
    assert rule.finished == "no loader has a result, so more rounds would not help"
