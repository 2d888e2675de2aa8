"""Planted faults in real trials: each caught, by its name, without harm to the next trial."""

from __future__ import annotations

import pytest
import torch

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.selftest import faults
from feedrate.loaders.testing import planted


@pytest.mark.slow
@pytest.mark.parametrize("name", [fault.name for fault in faults.FAULTS if not fault.gpu])
def test_a_planted_fault_is_caught_by_its_name(name: str, caught: dict[str, faults.Caught]) -> None:
    found = caught[name]
    assert found.right, found.seen
    assert found.undisturbed, found.seen


@pytest.mark.gpu
@pytest.mark.parametrize("name", [fault.name for fault in faults.FAULTS if fault.gpu])
def test_a_fault_of_gpus_is_caught_there(name: str, small: Dataset) -> None:
    assert torch.cuda.is_available()
    found = {found.fault.name: found for found in faults.run(small.folder, "cuda")}[name]
    assert found.right, found.seen


def test_every_fault_that_can_be_planted_is_proved_to_be_caught() -> None:
    assert {fault.name for fault in faults.FAULTS} == set(planted.FAULTS)
    assert len(faults.FAULTS) >= 15
