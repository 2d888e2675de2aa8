"""Real child processes: what they find, how they die, and that the next trial is none the worse."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.results.flags import CORE_WAIT
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run import suite
from feedrate.bench.run.suite import remaining, run_suite

SPEC = TrialSpec(loader="cupy", mode="train", repeat=0, seed=0, batch_size=512, epochs=2, device="cpu")

THEIR_LOADERS = """
import os, time
from feedrate.loaders import registry

class Wraps:
    def __init__(self, split, config):
        self.loader = registry.choose("fake").open(split, config)
    def epoch(self, index):
        yield from self.loader.epoch(index)
    def close(self):
        self.loader.close()

class Crashes(Wraps):
    def epoch(self, index):
        os.abort()
        yield

class Hangs(Wraps):
    def epoch(self, index):
        time.sleep(3600)
        yield

class Exits(Wraps):
    def epoch(self, index):
        os._exit(3)
        yield

class Prints(Wraps):
    def epoch(self, index):
        print('{"phase": "lies"}', flush=True)
        os.system("echo noise")
        yield from self.loader.epoch(index)

class ShortLater(Wraps):
    def epoch(self, index):
        for number, batch in enumerate(self.loader.epoch(index)):
            if index == 0 or number < 2:
                yield batch

class LeavesAChild(Wraps):
    def epoch(self, index):
        pid = os.fork()
        if pid == 0:
            time.sleep(3600)
        open("child.pid", "w").write(str(pid))
        yield from self.loader.epoch(index)
"""


def _run(specs: Sequence[TrialSpec], dataset: Dataset, tmp_path: Path, timeout_s: float = 60) -> list[TrialResult]:
    return list(run_suite(specs, dataset.folder, timeout_s=timeout_s, logs=tmp_path / "logs"))


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current folder, like a user's loader."""
    (tmp_path / "their_loaders.py").write_text(THEIR_LOADERS)
    monkeypatch.chdir(tmp_path)
    return "their_loaders"


def test_a_trial_finds_all_that_a_record_holds(small: Dataset, tmp_path: Path) -> None:
    [trial] = _run([SPEC], small, tmp_path)
    assert trial.status == "ok", trial.detail
    assert trial.spec == SPEC
    assert trial.rows == 2 * 4000
    assert trial.epochs is not None
    assert [epoch.rows for epoch in trial.epochs] == [4000, 4000]
    assert trial.wall_s == pytest.approx(sum(epoch.wall_s for epoch in trial.epochs))
    assert trial.auc is not None
    assert trial.loss is not None
    assert trial.train_loss is not None
    assert len(trial.auc) == len(trial.loss) == len(trial.train_loss) == 2
    assert all(0.3 < auc < 0.9 for auc in trial.auc)
    assert trial.step_wait_s is not None
    assert len(trial.step_wait_s) == 2 * 8
    assert trial.first_batch_s is not None
    assert trial.open_s is not None
    assert 0 < trial.open_s < trial.first_batch_s
    assert trial.peak_rss_bytes is not None
    assert trial.peak_rss_bytes > 100e6
    assert trial.peak_gpu_bytes is None
    assert trial.first_epochs == 1
    assert trial.rows_per_s == pytest.approx(4000 / trial.epochs[1].wall_s)
    assert trial.first_epoch_rows_per_s == pytest.approx(4000 / trial.epochs[0].wall_s)
    for epoch in trial.epochs:
        assert epoch.wait_cpu_s is not None
        assert epoch.stall_s == epoch.wait_s  # on a CPU the consumer is the device
        assert (epoch.copy_s, epoch.gap_s, epoch.gpu_bytes) == (None, None, None)
        assert epoch.cpu_s is not None
        assert epoch.pss_bytes is not None
        assert epoch.rss_bytes is not None
        assert 50e6 < epoch.pss_bytes <= epoch.rss_bytes <= trial.peak_rss_bytes * 1.2
    assert trial.shuffle is not None
    assert trial.shuffle.quality >= trial.shuffle.expected_low
    assert trial.gate_s is not None
    assert trial.resident_fraction == 1.0
    assert all(flag.startswith(CORE_WAIT) for flag in trial.flags)
    assert not (tmp_path / "logs").exists()


def test_the_modes_measure_what_they_are_for(small: Dataset, tmp_path: Path) -> None:
    load, replay = _run([replace(SPEC, mode="load"), replace(SPEC, mode="replay", loader="replay")], small, tmp_path)
    assert (load.status, replay.status) == ("ok", "ok")
    assert (load.rows, replay.rows) == (8000, 8000)
    assert (load.auc, replay.auc, load.train_loss, replay.loss) == (None, None, None, None)


@pytest.mark.slow
def test_loaders_that_deliver_the_same_order_learn_the_same_to_the_last_digit(small: Dataset, tmp_path: Path) -> None:
    trials = _run([replace(SPEC, loader=name) for name in ("native", "native-batched", "cupy")], small, tmp_path)
    assert len({trial.auc for trial in trials}) == 1
    assert len({trial.loss for trial in trials}) == 1


def test_a_planted_delay_is_measured_as_wait(small: Dataset, tmp_path: Path) -> None:
    [trial] = _run([replace(SPEC, mode="load", loader="fake:delay_s=0.02")], small, tmp_path)
    assert trial.step_wait_s is not None
    assert min(trial.step_wait_s) >= 0.02
    assert trial.wait_fraction is not None
    assert trial.wait_fraction > 0.9


def test_a_loader_that_loses_rows_is_void_and_says_how_many(small: Dataset, tmp_path: Path) -> None:
    [trial] = _run([replace(SPEC, loader="fake:drop_rows=3")], small, tmp_path)
    assert (trial.status, trial.rows) == ("void", None)
    assert "delivered 3,997 rows, 3 fewer than the 4,000" in trial.detail


def test_an_epoch_that_ends_early_after_a_right_one_is_void(theirs: str, small: Dataset, tmp_path: Path) -> None:
    [trial] = _run([replace(SPEC, mode="load", loader=f"{theirs}:ShortLater")], small, tmp_path)
    assert trial.status == "void"
    assert "timed epoch 2: an epoch delivered 1,024 rows, 2,976 fewer than the 4,000" in trial.detail


def test_a_last_batch_of_one_row_is_no_reason_to_fail(small: Dataset, tmp_path: Path) -> None:
    [trial] = _run([replace(SPEC, batch_size=3999, epochs=1)], small, tmp_path)
    assert (trial.status, trial.rows) == ("ok", 4000), trial.detail


def test_a_model_that_diverges_is_a_failed_trial_with_the_reason(small: Dataset, tmp_path: Path) -> None:
    model = replace(SPEC.model, optimizer="sgd", learning_rate=1e6)
    diverged, after = _run([replace(SPEC, model=model), replace(SPEC, mode="load")], small, tmp_path)
    assert (diverged.status, after.status) == ("failed", "ok")
    assert "loss is" in diverged.detail
    assert "lower learning rate" in diverged.detail


def test_what_a_loader_raises_is_the_trial_s_reason_and_its_log(small: Dataset, tmp_path: Path) -> None:
    [trial] = _run([replace(SPEC, loader="fake:fail_at_batch=5")], small, tmp_path)
    assert trial.status == "failed"
    assert "RuntimeError: the fake loader was told to fail at batch 5" in trial.detail
    [log] = (tmp_path / "logs").iterdir()
    assert "Traceback" in log.read_text()
    assert log.name in trial.detail


def test_a_loader_that_is_not_there_fails_with_its_name(small: Dataset, tmp_path: Path) -> None:
    [trial] = _run([replace(SPEC, loader="no_such_module:Loader")], small, tmp_path)
    assert trial.status == "failed"
    assert "there is no module 'no_such_module'" in trial.detail


@pytest.mark.slow
def test_crashes_exits_and_hangs_fail_and_the_next_trial_runs(theirs: str, small: Dataset, tmp_path: Path) -> None:
    specs = [replace(SPEC, mode="load", loader=f"{theirs}:{name}") for name in ("Crashes", "Exits", "Hangs", "Wraps")]
    began = time.monotonic()
    crashed, exited, hung, after = _run(specs, small, tmp_path, timeout_s=8)
    assert (crashed.status, exited.status, hung.status, after.status) == ("failed", "failed", "failed", "ok")
    assert "SIGABRT" in crashed.detail
    assert "exited with code 3" in exited.detail
    assert "reported nothing for 8 s" in hung.detail
    assert time.monotonic() - began < 60


def test_what_a_loader_prints_does_not_reach_the_suite_s_pipe(theirs: str, small: Dataset, tmp_path: Path) -> None:
    [trial] = _run([replace(SPEC, mode="load", loader=f"{theirs}:Prints")], small, tmp_path)
    assert trial.status == "ok", trial.detail


def test_processes_that_a_loader_leaves_behind_are_ended(theirs: str, small: Dataset, tmp_path: Path) -> None:
    [trial] = _run([replace(SPEC, mode="load", loader=f"{theirs}:LeavesAChild")], small, tmp_path)
    assert trial.status == "ok", trial.detail
    left = int((tmp_path / "child.pid").read_text())
    deadline = time.monotonic() + 5
    while (lives := _lives(left)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not lives


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_progress_is_told_while_a_trial_runs(small: Dataset, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    list(run_suite([SPEC], small.folder, progress=lambda _spec: lambda *step: seen.append(step)))
    assert {phase for phase, _, _ in seen} == {
        "check",
        "epoch 1",
        "epoch 2",
        "an epoch after the clock",
        "evaluate",
    }
    assert {total for phase, _, total in seen if phase == "epoch 1"} == {4000}


def test_what_remains_is_what_has_no_result_or_failed() -> None:
    specs = [replace(SPEC, repeat=repeat) for repeat in range(4)]
    done = [
        TrialResult(spec=specs[0], status="ok"),
        TrialResult(spec=specs[1], status="failed"),
        TrialResult(spec=specs[2], status="void"),
    ]
    assert [spec.repeat for spec in remaining(specs, done)] == [1, 3]


def test_a_log_that_cannot_be_written_does_not_cost_the_result() -> None:
    spec = TrialSpec(loader="x", mode="load", repeat=0, seed=0, batch_size=1, epochs=1, device="cpu")
    result = TrialResult(spec=spec, status="failed", detail="why")
    kept = suite._keep_log(result, b"output", Path("/proc/logs"))
    assert kept.detail == "why (no log: /proc/logs/x-load-1-0-0.log cannot be written: No such file or directory)"
