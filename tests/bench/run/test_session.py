from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.host.device import choose_device
from feedrate.bench.host.environment import collect
from feedrate.bench.results import store
from feedrate.bench.results.record import Environment, HarnessRecord, RunRecord
from feedrate.bench.run import session, stopping
from feedrate.bench.run.plan import Plan
from feedrate.bench.run.session import Session
from feedrate.bench.run.stopping import rule_for
from feedrate.loaders.errors import FeedrateError

HARNESS = HarnessRecord(step_s=1e-6, steps=10, null_rows_per_s=1e9)


def _run(started: Session) -> Iterator[RunRecord]:
    """Without the last record, which only adds why no further round was run."""
    records = started.run(
        rule_for(started.plan, width=1, budget_s=60), timeout_s=60, progress=lambda _spec: lambda *_step: None
    )
    for record in records:
        if not record.stopped:
            yield record


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment without a GPU; the cost of the harness is not measured for each test."""
    monkeypatch.setattr(session, "measure", lambda _device: HARNESS)
    return replace(collect(), gpu=None)


PLAN = Plan(loaders=("cupy", "fake"), modes=("load",), repeats=2, seeds=(0,), batch_sizes=(512,), epochs=1)


def _start(
    data: Path,
    output: Path,
    plan: Plan = PLAN,
    *,
    here: Environment | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Session:
    environment = here or replace(collect(), gpu=None)
    return session.start(data, output, plan, environment, resume=resume, overwrite=overwrite)


def test_each_result_is_on_disk_before_the_next_trial_starts(small: Dataset, tmp_path: Path) -> None:
    lengths = []
    for record in _run(_start(small.folder, tmp_path)):
        assert store.read(tmp_path) == record
        lengths.append(len(record.trials))
    assert lengths == [1, 2, 3, 4]


def test_a_run_that_was_stopped_is_readable_and_gone_on_with(small: Dataset, tmp_path: Path) -> None:
    trials = _run(_start(small.folder, tmp_path))
    first = next(trials)
    trials.close()  # type: ignore[attr-defined]
    assert store.read(tmp_path) == first
    again = _start(small.folder, tmp_path, resume=True)
    assert (len(again.record.trials), again.planned) == (1, 4)
    *_, last = _run(again)
    assert sorted((t.spec.repeat, t.spec.loader, t.status) for t in last.trials) == [
        (repeat, loader, "ok") for repeat in (0, 1) for loader in ("cupy", "fake")
    ]
    assert last.trials[0] == first.trials[0]


@pytest.mark.slow
def test_a_run_with_ranks_goes_on_with_the_trials_that_are_left(small: Dataset, tmp_path: Path) -> None:
    plan = replace(PLAN, loaders=("fake",), ranks=(2,))
    first = next(_run(_start(small.folder, tmp_path, plan)))
    *_, last = _run(_start(small.folder, tmp_path, plan, resume=True))
    assert last.trials[0] == first.trials[0]
    assert [(trial.spec.repeat, trial.status, trial.spec.ranks) for trial in last.trials] == [
        (0, "ok", 2),
        (1, "ok", 2),
    ]
    assert all(trial.ranks and len(trial.ranks.ranks) == 2 for trial in last.trials)
    more = _start(small.folder, tmp_path, replace(plan, ranks=(1, 2)), resume=True)
    assert (len(more.record.trials), more.planned) == (2, 4)


def test_a_run_whose_data_a_trial_changed_ends_with_a_sentence_and_keeps_its_trials(
    small: Dataset, tmp_path: Path
) -> None:
    data = shutil.copytree(small.folder, tmp_path / "data")
    plan = replace(PLAN, loaders=("planted:fault=data_file_touched", "cupy"), repeats=1)
    with pytest.raises(FeedrateError, match="train/part-0000.parquet was written to .*: prepare the data again"):
        list(_run(_start(data, tmp_path / "run", plan)))
    kept = store.read(tmp_path / "run").trials
    assert kept[-1].status == "void"
    assert "train/part-0000.parquet was written to (same size) while this trial ran" in kept[-1].detail
    assert _start(data, tmp_path / "run", plan, resume=True).record.trials == kept


def test_a_run_that_is_there_is_not_overwritten_unasked(small: Dataset, tmp_path: Path) -> None:
    next(_run(_start(small.folder, tmp_path)))
    with pytest.raises(FeedrateError, match="exists: pass --resume to continue it or --overwrite"):
        _start(small.folder, tmp_path)
    with pytest.raises(FeedrateError, match="exclude each other: pass only one"):
        _start(small.folder, tmp_path, resume=True, overwrite=True)
    assert _start(small.folder, tmp_path, overwrite=True).record.trials == ()


@pytest.mark.parametrize("flags", [{}, {"resume": True}, {"overwrite": True}], ids=["neither", "resume", "overwrite"])
def test_a_gzipped_run_is_refused_with_the_way_out(flags: dict[str, bool], small: Dataset, tmp_path: Path) -> None:
    next(_run(_start(small.folder, tmp_path)))
    plain = tmp_path / "run.json"
    (tmp_path / "run.json.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    with pytest.raises(FeedrateError, match=r"run\.json\.gz is compressed .*gunzip"):
        _start(small.folder, tmp_path, **flags)
    assert not plain.exists()


def test_resume_refuses_to_mix_datasets_and_machines(small: Dataset, here: Environment, tmp_path: Path) -> None:
    next(_run(_start(small.folder, tmp_path / "run")))
    other_dataset = prepare_synthetic(tmp_path / "other", rows=2000, options=PrepareOptions(seed=9))
    with pytest.raises(FeedrateError, match="started under other conditions: dataset"):
        _start(other_dataset.folder, tmp_path / "run", resume=True)
    with pytest.raises(FeedrateError, match="GPU \\(then None, now Another GPU\\)"):
        _start(small.folder, tmp_path / "run", here=replace(here, gpu="Another GPU"), resume=True)


def test_resume_may_add_repeats_but_not_change_the_epochs(small: Dataset, tmp_path: Path) -> None:
    next(_run(_start(small.folder, tmp_path)))

    plan = Plan(loaders=("cupy",), modes=("load",), repeats=9, seeds=(0,), batch_sizes=(512,), epochs=1)
    more = _start(small.folder, tmp_path, plan, resume=True)
    assert (len(more.record.trials), more.planned) == (1, 9)
    with pytest.raises(FeedrateError, match="was started with other settings"):
        _start(small.folder, tmp_path, replace(plan, epochs=2), resume=True)


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("cuda", "torch sees no CUDA device here"),
        ("tpu", "must be auto"),
        ("cuda:x", "must be auto, cpu, cuda or cuda:N"),
    ],
)
def test_a_device_that_is_not_there_is_refused(device: str, sentence: str, here: Environment) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        choose_device(device, here)


@pytest.mark.slow
def test_a_run_without_fixed_repeats_ends_by_its_rule_and_says_why(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "RATE_PRECISION", 100)
    plan = Plan(loaders=("cupy", "fake"), modes=("load",), batch_sizes=(512,), epochs=1)
    started = _start(small.folder, tmp_path, plan)
    assert started.planned is None
    rule = rule_for(started.plan, width=100, budget_s=60)
    *_, last = started.run(rule, timeout_s=60, progress=lambda _spec: lambda *_step: None)
    assert (
        last.stopped
        == "every ratio to cupy is known to 10000.0% or better, and every rate is known to ±10000% or better"
    )
    assert (len(last.trials), last.baseline, last.harness) == (6, "cupy", HARNESS)
    assert {trial.spec.seed for trial in last.trials} == {0, 1, 2}
    assert store.read(tmp_path) == last


@pytest.mark.slow
def test_a_loader_that_does_not_work_is_not_tried_in_every_round(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "RATE_PRECISION", 100)
    loaders = ("cupy", "fake:fail_at_batch=1", "fake")
    started = _start(small.folder, tmp_path, Plan(loaders=loaders, modes=("load",), batch_sizes=(512,), epochs=1))
    rule = rule_for(started.plan, width=100, budget_s=60)
    *_, last = started.run(rule, timeout_s=60, progress=lambda _spec: lambda *_step: None)
    tried = [trial.spec.loader for trial in last.trials]
    assert (tried.count("cupy"), tried.count("fake:fail_at_batch=1")) == (3, 1)
