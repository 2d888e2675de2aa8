"""Fixtures that run the planted faults and delays once per session."""

from __future__ import annotations

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.selftest import delays, faults


@pytest.fixture(scope="session")
def caught(small: Dataset) -> dict[str, faults.Caught]:
    """Run every fault that shows on a CPU once."""
    return {caught.fault.name: caught for caught in faults.run(small.folder, "cpu")}


@pytest.fixture(scope="session")
def delayed(small: Dataset) -> dict[str, delays.Measured]:
    """Run every planted delay once."""
    return {measured.delay.name: measured for measured in delays.run(small.folder)}
