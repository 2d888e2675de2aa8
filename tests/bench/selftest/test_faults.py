"""Real trials with planted faults: each is caught by its name and does not disturb the next trial."""

from __future__ import annotations

import pytest
import torch

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.selftest import faults
from feedrate.loaders.testing import planted


@pytest.mark.slow
@pytest.mark.parametrize("name", [fault.name for fault in faults.FAULTS if not fault.gpu])
def test_a_planted_fault_is_caught_by_its_name(name: str, caught: dict[str, faults.Caught]) -> None:
    result = caught[name]
    assert result.as_expected, result.message
    assert not result.disturbance, result.disturbance


@pytest.mark.gpu
@pytest.mark.parametrize("name", [fault.name for fault in faults.FAULTS if fault.gpu])
def test_a_fault_that_shows_on_a_gpu_is_caught_there(name: str, small: Dataset) -> None:
    assert torch.cuda.is_available()
    result = {result.fault.name: result for result in faults.run(small.folder, "cuda")}[name]
    assert result.as_expected, result.message


def test_the_self_test_covers_every_fault_of_the_planted_loader() -> None:
    assert {fault.name for fault in faults.FAULTS} == set(planted.FAULTS)
    assert len(faults.FAULTS) >= 15
