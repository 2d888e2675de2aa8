"""Real trials with planted delays report the wait, the throughput and the cause that the loader really had."""

from __future__ import annotations

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.selftest.delays import DELAYS, Agreement, Measured, PlantedDelay, measure_agreement


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("delay", DELAYS, ids=lambda delay: delay.name)
def test_a_planted_delay_is_measured_and_attributed_to_its_cause(
    delay: PlantedDelay, delayed: dict[str, Measured]
) -> None:
    assert delayed[delay.name].problems == []


def test_a_wrong_measurement_is_reported() -> None:
    correct = Measured(DELAYS[0], 0.2, 0.2, 100.0, 100.0, "fetch", 0.2)
    assert correct.problems == []
    wrong = Measured(DELAYS[0], 0.2, 0.21, 100.0, 98.0, "decode", 0.2)
    assert len(wrong.problems) == 3


@pytest.mark.alone
@pytest.mark.slow
def test_two_measurements_of_a_stall_agree_with_each_other_and_the_truth(small: Dataset) -> None:
    agreement = measure_agreement(small.folder)
    assert agreement.holds, agreement
    assert agreement.true > 0.5
    assert not Agreement(true=0.8, direct=0.8, differential=0.7).holds
