"""Planted delays in real trials: the wait, the speed and the cause that are reported are what the loader really did."""

from __future__ import annotations

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.selftest.delays import DELAYS, Agreement, Measured, PlantedDelay, agree


@pytest.mark.slow
@pytest.mark.parametrize("delay", DELAYS, ids=lambda delay: delay.name)
def test_a_planted_delay_is_measured_and_put_down_to_its_cause(
    delay: PlantedDelay, delayed: dict[str, Measured]
) -> None:
    assert delayed[delay.name].problems == []


def test_a_wrong_measurement_would_be_said() -> None:
    right = Measured(DELAYS[0], 0.2, 0.2, 100.0, 100.0, "fetch", 0.2)
    assert right.problems == []
    wrong = Measured(DELAYS[0], 0.2, 0.21, 100.0, 98.0, "decode", 0.2)
    assert len(wrong.problems) == 3


@pytest.mark.slow
def test_two_ways_of_finding_a_stall_agree_with_each_other_and_the_truth(small: Dataset) -> None:
    found = agree(small.folder)
    assert found.holds, found
    assert found.true > 0.5
    assert not Agreement(true=0.8, direct=0.8, differential=0.7).holds
