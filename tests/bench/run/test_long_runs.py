"""What a trial costs the suite does not grow with the number of trials before it. Work is counted, not timed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.host.environment import collect
from feedrate.bench.results import store
from feedrate.bench.results.record import HarnessRecord, TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run import session
from feedrate.bench.run.plan import Plan
from feedrate.bench.run.stopping import rule_for
from tests.samples.long_records import long_record

TRIAL = long_record(1, steps=1000).trials[0]


@pytest.fixture(autouse=True)
def instant_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that run in no time. Their results are those of a real one."""

    def run_suite(specs: Iterable[TrialSpec], _data: Path, **_settings: Any) -> Iterator[TrialResult]:
        return (replace(TRIAL, spec=spec) for spec in specs)

    monkeypatch.setattr(session, "run_suite", run_suite)
    monkeypatch.setattr(session, "measure", lambda _device: HarnessRecord(step_s=1e-6, steps=1, null_rows_per_s=1e9))


def work(data: Path, output: Path, rounds: int, monkeypatch: pytest.MonkeyPatch, *, resume: bool = False) -> int:
    """Run rounds of two trials. Return the bytes written and the results that were searched for those of a round."""
    plan = Plan(
        loaders=("cupy", "fake"),
        modes=("load",),
        repeats=rounds,
        seeds=(0,),
        batch_sizes=(512,),
        epochs=1,
        device="cpu",
    )
    searched = 0
    remaining = session.remaining

    def counting(specs: list[TrialSpec], done: Iterable[TrialResult]) -> list[TrialSpec]:
        nonlocal searched
        results = list(done)
        searched += len(results)
        return remaining(specs, results)

    monkeypatch.setattr(session, "remaining", counting)
    before = int(Path("/proc/self/io").read_text().split("wchar: ")[1].split()[0])
    started = session.start(data, output, plan, collect(), resume=resume, overwrite=False)
    rule = rule_for(plan, width=1, budget_s=60)
    for _ in started.run(rule, timeout_s=60, progress=lambda _spec: lambda *_step: None):
        pass
    monkeypatch.setattr(session, "remaining", remaining)
    assert len(store.read(output).trials) == 2 * rounds
    return searched * 1000 + int(Path("/proc/self/io").read_text().split("wchar: ")[1].split()[0]) - before


def test_a_run_of_many_trials_and_its_resume_do_work_in_proportion(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = work(small.folder, tmp_path / "few", 100, monkeypatch)
    many = work(small.folder, tmp_path / "many", 400, monkeypatch)
    assert many < 5 * few
    again = work(small.folder, tmp_path / "many", 410, monkeypatch, resume=True)
    assert again < many
