"""Seeds of epochs are fixed, different and in range."""

from __future__ import annotations

import pytest

from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.toolkit import seed_of


def test_seeds_of_neighbouring_runs_and_epochs_all_differ() -> None:
    seeds = {seed_of(seed, epoch, *more) for seed in range(20) for epoch in range(20) for more in ((), (1,), (2,))}
    assert len(seeds) == 1200


def test_a_seed_is_the_same_in_each_process() -> None:
    assert seed_of(1, 2) == 7764949442709860949


@pytest.mark.parametrize("bits", [1, 31, 32, 63, 64])
def test_seeds_use_the_bits_that_the_library_accepts(bits: int) -> None:
    largest = max(seed_of(3, epoch, bits=bits) for epoch in range(64))
    assert 2 ** (bits - 1) <= largest < 2**bits


def test_no_bits_are_refused() -> None:
    with pytest.raises(FeedrateError, match="bits is 0"):
        seed_of(0, 0, bits=0)
