"""A loader that computes beside other programs waits for a core, which is not waiting for storage."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.results.flags import CORE_WAIT
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.results.wait_causes import wait_causes
from feedrate.bench.run.suite import run_suite

LOADER = "slow:delay_s=0.1:kind=burn"


@pytest.fixture
def busy_loops() -> Iterator[None]:
    """Twice as many busy loops as cores: four on a machine with two.

    Each has a session of its own, as a trial has: Linux can share the cores evenly between sessions.
    """
    loops = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
        for _ in range(2 * len(os.sched_getaffinity(0)))
    ]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


@pytest.mark.alone
@pytest.mark.slow
def test_beside_busy_loops_the_cause_is_a_core(small: Dataset, busy_loops: None) -> None:
    spec = TrialSpec(loader=LOADER, mode="load", repeat=0, seed=0, batch_size=400, epochs=3, device="cpu")
    [trial] = run_suite([spec], small.folder)
    assert trial.status == "ok", trial.detail
    causes = wait_causes(trial.steady)
    assert causes is not None
    assert causes.main == "core", causes
    assert any(flag.startswith(CORE_WAIT) for flag in trial.flags)
