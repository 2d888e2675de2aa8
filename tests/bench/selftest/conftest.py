"""The self-test's own datasets are small; here they are made once."""

from __future__ import annotations

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.selftest import delays, faults


@pytest.fixture(scope="session")
def caught(small: Dataset) -> dict[str, faults.Caught]:
    """Every fault that shows on a CPU, run once."""
    return {found.fault.name: found for found in faults.run(small.folder, "cpu")}


@pytest.fixture(scope="session")
def delayed(small: Dataset) -> dict[str, delays.Measured]:
    return {found.delay.name: found for found in delays.run(small.folder)}
