"""Simulates how often intervals hold the truth. 100,000 samples a case, drawn with a fixed seed and judged by the real code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from feedrate.bench.results.stats import mean_interval, unpaired_interval

DRAWS = 100_000
ROUNDS = pytest.mark.parametrize("n", [2, 3, 5, 10])
NOISE = 0.03
"""Standard deviation of a round's logarithm of rows/s."""
Noise = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.normal(0, NOISE, shape)


def _heavy(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return NOISE * rng.standard_t(3, shape)


def _slow_host(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Each sample's rounds run on different ones of five hosts, or as often on each. One host is 30 to 50 % slower."""
    hosts = rng.permuted(np.tile(np.arange(max(shape[1], 5)), (shape[0], 1)), axis=1)[:, : shape[1]]
    return _normal(rng, shape) + (hosts % 5 == 0) * _loss(rng, shape)


def _slow_rounds(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Each round is 30 to 50 % slower with probability 0.2."""
    return _normal(rng, shape) + (rng.random(shape) < 0.2) * _loss(rng, shape)


def _loss(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.log(1 - rng.uniform(0.3, 0.5, shape))


def _covered(intervals: tuple[np.ndarray, np.ndarray, np.ndarray], truth: float = 0.0) -> float:
    _, low, high = intervals
    assert low.shape == (DRAWS,)
    return float(((low <= truth) & (truth <= high)).mean())


@ROUNDS
@pytest.mark.parametrize("paired", [False, True])
def test_intervals_are_exact_with_normal_noise(n: int, paired: bool) -> None:
    rng = np.random.default_rng(n)
    samples = _normal(rng, (DRAWS, n))
    if paired:  # what both sides of a round share cancels out
        machine = _heavy(rng, (DRAWS, n))
        samples = (samples + machine) - (_normal(rng, (DRAWS, n)) + machine)
    assert 0.945 <= _covered(mean_interval(samples, 0.95)) <= 0.955
    assert 0.988 <= _covered(mean_interval(samples, 0.99)) <= 0.992


@ROUNDS
@pytest.mark.parametrize("noise", [_heavy, _slow_host, _slow_rounds])
@pytest.mark.parametrize("paired", [False, True])
def test_intervals_hold_the_ordinary_rounds_beside_rounds_that_are_far_off(n: int, noise: Noise, paired: bool) -> None:
    """The target is the location of the rounds that are not slow. Of pairs, each side is slow by itself."""
    rng = np.random.default_rng(10 + n)
    samples = noise(rng, (DRAWS, n)) - (noise(rng, (DRAWS, n)) if paired else 0)
    assert _covered(mean_interval(samples, 0.95)) >= 0.93
    assert _covered(mean_interval(samples, 0.99)) >= 0.98


@ROUNDS
@pytest.mark.parametrize("spread", [0.03, 0.3])
def test_the_mean_of_log_normal_rates_is_held_without_logarithms(n: int, spread: float) -> None:
    rates = np.exp(np.random.default_rng(20 + n).normal(0, spread, (DRAWS, n)))
    mean = float(np.exp(spread**2 / 2))
    assert _covered(mean_interval(rates, 0.95), mean) >= 0.93
    assert _covered(mean_interval(rates, 0.99), mean) >= 0.98


@pytest.mark.parametrize(
    ("n", "most_95", "most_99"), [(2, 0.98, 0.998), (3, 0.968, 0.996), (5, 0.959, 0.993), (10, 0.955, 0.992)]
)
def test_intervals_of_two_samples_cover_what_they_claim_and_little_more(n: int, most_95: float, most_99: float) -> None:
    rng = np.random.default_rng(30 + n)
    head, base = _normal(rng, (DRAWS, n)), _normal(rng, (DRAWS, n))
    assert 0.945 <= _covered(unpaired_interval(head, base, 0.95)) <= most_95
    assert 0.988 <= _covered(unpaired_interval(head, base, 0.99)) <= most_99
    assert _covered(unpaired_interval(3 * head, base, 0.95)) >= 0.945


@ROUNDS
@pytest.mark.parametrize("noise", [_heavy, _slow_host, _slow_rounds])
@pytest.mark.parametrize("both", [False, True])
def test_intervals_of_two_samples_hold_beside_rounds_that_are_far_off(n: int, noise: Noise, both: bool) -> None:
    rng = np.random.default_rng(40 + n)
    head, base = noise(rng, (DRAWS, n)), (noise if both else _normal)(rng, (DRAWS, n))
    assert _covered(unpaired_interval(head, base, 0.95)) >= 0.93
    assert _covered(unpaired_interval(head, base, 0.99)) >= 0.98
