from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from feedrate.bench.results.stats import (
    difference,
    estimate,
    has_two_levels,
    judge_difference,
    judge_ratio,
    percentile,
    ratio,
)

samples_strategy = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30)


@given(samples_strategy)
def test_the_interval_is_scipy_s_unless_the_sample_has_two_levels(samples: list[float]) -> None:
    result = estimate(samples)
    half = scipy_stats.t.ppf(0.975, len(samples) - 1) * np.std(samples, ddof=1) / len(samples) ** 0.5
    assert result.low is not None
    assert result.high is not None
    if has_two_levels(np.asarray(samples)):
        assert result.low <= result.mean - half + 1e-6
        assert result.high >= result.mean + half - 1e-6
    else:
        assert result.mean - result.low == pytest.approx(half, rel=1e-6, abs=1e-6)


def test_two_unpaired_samples_have_welch_s_interval() -> None:
    head, base = [3.0, 4.0, 4.5, 5.0], [1.0, 1.1, 1.3]
    result = difference(head, base, paired=False, confidence=0.99)
    expected = scipy_stats.ttest_ind(head, base, equal_var=False).confidence_interval(0.99)
    assert (result.low, result.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_the_interval_of_two_levels_holds_the_median_of_the_larger_one() -> None:
    """Four of ten rounds were a third slower. Student's interval leaves out the rate of the six ordinary ones."""
    rates = [100.0, 101.0, 99.0, 100.5, 99.5, 100.0, 66.0, 66.5, 65.5, 66.0]
    half = scipy_stats.t.ppf(0.975, 9) * np.std(rates, ddof=1) / 10**0.5
    assert np.mean(rates) + half < 99
    high = estimate(rates).high
    assert high is not None
    assert high >= 100


def test_one_sample_has_no_interval() -> None:
    assert (estimate([3.0]).mean, estimate([3.0]).low) == (3.0, None)


def test_no_samples_have_no_estimate() -> None:
    with pytest.raises(ValueError):
        estimate([])


@given(samples_strategy, st.floats(0, 1))
def test_percentiles_are_numpy_s(samples: list[float], fraction: float) -> None:
    assert percentile(samples, fraction) == pytest.approx(np.percentile(samples, fraction * 100), rel=1e-9, abs=1e-6)


def test_pairing_takes_out_what_both_share() -> None:
    drift = [1.0, 2.0, 4.0, 8.0]
    paired = ratio([1.1 * x for x in drift], drift, paired=True)
    assert (paired.mean, paired.low, paired.high) == (pytest.approx(1.1), pytest.approx(1.1), pytest.approx(1.1))
    apart = ratio([1.1 * x for x in drift], drift, paired=False)
    assert apart.low is not None
    assert apart.low < 1


def test_a_ratio_of_single_samples_has_no_interval_and_no_verdict() -> None:
    result = judge_ratio([2.0], [1.0], paired=True)
    assert (result.change.mean, result.change.low, result.direction, result.smallest_seen) == (
        2.0,
        None,
        "inconclusive",
        None,
    )
    with pytest.raises(ValueError):
        ratio([], [], paired=False)


@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        ([1.10, 1.11, 1.10, 1.11, 1.10], "more"),
        ([0.90, 0.91, 0.90, 0.91, 0.90], "less"),
        ([1.00, 1.01, 1.00, 0.99, 1.00], "same"),
        ([1.02, 1.02, 1.02, 1.02, 1.02], "same"),  # surely more, and too little to matter
        ([0.70, 1.40, 1.20, 0.90, 1.10], "inconclusive"),
        ([1.01, 1.03, 0.99, 1.00, 1.02], "inconclusive"),  # the same at 95 %, but 99 % decides
    ],
)
def test_a_verdict_needs_significance_and_a_size(head: list[float], verdict: str) -> None:
    assert judge_ratio(head, [1.0] * 5, paired=True).direction == verdict


def test_a_verdict_shows_the_interval_that_decided_it() -> None:
    head, base = [1.05, 1.06, 1.07], [1.0, 1.0, 1.0]
    assert judge_ratio(head, base, paired=True).change == ratio(head, base, paired=True, confidence=0.99)


def test_differences_are_judged_in_their_own_unit() -> None:
    result = judge_difference([0.79, 0.791, 0.792], [0.8, 0.801, 0.802], paired=True, effect=0.001)
    assert (result.direction, result.change.mean) == ("less", pytest.approx(-0.01))


def test_a_third_and_fourth_round_settle_what_two_could_not() -> None:
    """Two rounds have one degree of freedom, so 1 % of noise hides even a change of a tenth."""
    verdict = judge_ratio([1.10, 1.12], [1.0, 1.0], paired=True)
    assert verdict.direction == "inconclusive"
    assert judge_ratio([1.10, 1.12, 1.11], [1.0, 1.0, 1.0], paired=True).direction == "more"
