from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench import session, store
from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.plan import Plan
from feedrate.bench.record import Environment
from feedrate.bench.session import Session
from feedrate.loaders.errors import FeedrateError


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The environment is observed once, not in a process for each test."""
    from feedrate.bench.environment import collect

    found = replace(collect(), gpu=None)
    monkeypatch.setattr(session, "observe", lambda: found)
    return found


def _start(data: Path, output: Path, *, resume: bool = False, overwrite: bool = False, device: str = "auto") -> Session:
    def plan(found: str) -> Plan:
        return Plan(loaders=("cupy", "fake"), modes=("load",), repeats=2, batch_sizes=(512,), epochs=1, device=found)

    return session.start(data, output, device, plan, command="feedrate run", resume=resume, overwrite=overwrite)


def test_each_result_is_on_disk_before_the_next_trial_starts(small: Dataset, tmp_path: Path) -> None:
    lengths = []
    for record in _start(small.folder, tmp_path).run(timeout_s=60, progress=lambda _spec: lambda *_step: None):
        assert store.read(tmp_path) == record
        lengths.append(len(record.trials))
    assert lengths == [1, 2, 3, 4]


def test_a_run_that_was_stopped_is_readable_and_gone_on_with(small: Dataset, tmp_path: Path) -> None:
    trials = _start(small.folder, tmp_path).run(timeout_s=60, progress=lambda _spec: lambda *_step: None)
    first = next(trials)
    trials.close()  # type: ignore[attr-defined]
    assert store.read(tmp_path) == first
    again = _start(small.folder, tmp_path, resume=True)
    assert (len(again.trials), again.planned) == (3, 4)
    *_, last = again.run(timeout_s=60, progress=lambda _spec: lambda *_step: None)
    assert [(t.spec.repeat, t.spec.loader, t.status) for t in last.trials] == [
        (repeat, loader, "ok") for repeat in (0, 1) for loader in ("cupy", "fake")
    ]
    assert last.trials[0] == first.trials[0]


def test_a_run_that_is_there_is_not_overwritten_unasked(small: Dataset, tmp_path: Path) -> None:
    next(_start(small.folder, tmp_path).run(timeout_s=60, progress=lambda _spec: lambda *_step: None))
    with pytest.raises(FeedrateError, match="exists: pass --resume to go on with it or --overwrite"):
        _start(small.folder, tmp_path)
    with pytest.raises(FeedrateError, match="pass one of them"):
        _start(small.folder, tmp_path, resume=True, overwrite=True)
    assert len(_start(small.folder, tmp_path, overwrite=True).trials) == 4


def test_resume_refuses_to_mix_datasets_and_machines(
    small: Dataset, here: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next(_start(small.folder, tmp_path / "run").run(timeout_s=60, progress=lambda _spec: lambda *_step: None))
    other = prepare_synthetic(tmp_path / "other", rows=2000, seed=9)
    with pytest.raises(FeedrateError, match="begun under other conditions: dataset"):
        _start(other.folder, tmp_path / "run", resume=True)
    monkeypatch.setattr(session, "observe", lambda: replace(here, gpu="Another GPU"))
    with pytest.raises(FeedrateError, match="GPU \\(None then, Another GPU now\\)"):
        _start(small.folder, tmp_path / "run", resume=True, device="cpu")


def test_resume_may_add_repeats_but_not_change_the_epochs(small: Dataset, tmp_path: Path) -> None:
    next(_start(small.folder, tmp_path).run(timeout_s=60, progress=lambda _spec: lambda *_step: None))

    def plan(found: str, epochs: int) -> Plan:
        return Plan(loaders=("cupy",), modes=("load",), repeats=9, batch_sizes=(512,), epochs=epochs, device=found)

    more = session.start(small.folder, tmp_path, "auto", lambda d: plan(d, 1), command="", resume=True, overwrite=False)
    assert len(more.trials) == 8
    with pytest.raises(FeedrateError, match="was begun with other settings"):
        session.start(small.folder, tmp_path, "auto", lambda d: plan(d, 2), command="", resume=True, overwrite=False)


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("cuda", "torch sees no CUDA device here"),
        ("tpu", "must be auto"),
        ("cuda:x", "must be auto, cpu, cuda or cuda:N"),
    ],
)
def test_a_device_that_is_not_there_is_refused(device: str, sentence: str, small: Dataset, tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        _start(small.folder, tmp_path, device=device)
