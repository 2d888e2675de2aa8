from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from feedrate.bench.stats import estimate, percentile

samples_strategy = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30)


@given(samples_strategy)
def test_the_interval_is_scipy_s(samples: list[float]) -> None:
    found = estimate(samples)
    half = scipy_stats.t.ppf(0.975, len(samples) - 1) * np.std(samples, ddof=1) / len(samples) ** 0.5
    assert found.low is not None
    assert found.mean - found.low == pytest.approx(half, rel=1e-6, abs=1e-6)


def test_one_sample_has_no_interval() -> None:
    assert (estimate([3.0]).mean, estimate([3.0]).low) == (3.0, None)


def test_no_samples_have_no_estimate() -> None:
    with pytest.raises(ValueError):
        estimate([])


@given(samples_strategy, st.floats(0, 1))
def test_percentiles_are_numpy_s(samples: list[float], fraction: float) -> None:
    assert percentile(samples, fraction) == pytest.approx(np.percentile(samples, fraction * 100), rel=1e-9, abs=1e-6)
