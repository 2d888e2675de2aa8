"""Statistics of continuous columns, chunk by chunk, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from feedrate.bench.datasets.tables.numbers import Moments, NumberSpool, NumberSteps


def test_moments_of_chunks_are_those_of_all_values() -> None:
    values = np.random.default_rng(0).lognormal(3, 2, 1_001) + 1e9
    moments = Moments()
    for chunk in np.split(values, [0, 1, 10, 500]):
        moments.add(chunk)
    assert moments.count == len(values)
    assert moments.mean == pytest.approx(values.mean(), rel=1e-12)
    assert moments.deviation == pytest.approx(values.std(ddof=1), rel=1e-9)


def test_one_value_has_no_deviation() -> None:
    moments = Moments()
    moments.add(np.array([5.0]))
    assert (moments.mean, moments.deviation) == (5.0, 0.0)


@pytest.mark.parametrize("rows", [1, 2, 3, 10, 999, 1_000])
def test_the_median_is_exact(rows: int) -> None:
    values = np.random.default_rng(rows).standard_cauchy(rows)
    spool = NumberSpool()
    for chunk in np.array_split(values, 4):
        spool.add(chunk)
    assert spool.median() == np.median(values)


def test_no_values_have_no_median() -> None:
    assert NumberSpool().median() is None


def test_steps_leave_their_input_as_it_is() -> None:
    values = np.array([-1.0, np.nan, 9.0])
    steps = NumberSteps(fill=2.0, least=0.0, greatest=5.0, log1p=True, mean=1.0, deviation=2.0)
    expected = (np.log1p([0.0, 2.0, 5.0]) - 1) / 2
    np.testing.assert_allclose(steps.apply(values), expected)
    assert np.isnan(values[1])
    assert values[0] == -1


def test_a_fill_is_clipped_as_the_values_are() -> None:
    assert NumberSteps(fill=100.0, greatest=5.0).apply(np.array([np.nan])).tolist() == [5.0]


def test_without_steps_numbers_stay() -> None:
    values = np.array([1.5, -0.0, 1e300])
    assert NumberSteps().apply(values).tolist() == values.tolist()
