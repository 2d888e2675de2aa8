"""Real profiles on the CPU: a loader that is slow in a known way gets the matching diagnosis."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.cli import app
from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.profiling import run, session, trial
from feedrate.bench.results.profiles import files
from feedrate.bench.results.profiles.record import settings
from feedrate.bench.results.spec import ModelSpec, TrialSpec, model_of
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.testing.slow import delay

REQUEST = session.ProfileRequest(
    steps=12,
    profiler="auto",
    batch_size=256,
    device="cpu",
    model=ModelSpec(),
    memory_budget_bytes=None,
    timeout_s=100.0,
)
FAILS_ON_RANK_1 = """
from feedrate.loaders import registry

class Fails:
    def __init__(self, split, config):
        self.loader, self.rank = registry.choose("fake").open(split, config), config.rank
    def epoch(self, index):
        if self.rank == 1:
            raise ValueError("file 17 is missing")
        return self.loader.epoch(index)
    def close(self):
        self.loader.close()
"""
TIMED = (pytest.mark.slow, pytest.mark.alone)


@pytest.fixture(autouse=True)
def _without_flame_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sampling takes seconds. test_flames.py tests it."""
    monkeypatch.setattr(run, "find_sampler", lambda: "")


@pytest.mark.parametrize(
    ("loader", "cause"),
    [
        ("slow:delay_s=0.05:kind=sleep", "input-bound: fetch"),
        pytest.param("slow:delay_s=0.05:kind=burn", "input-bound: ", marks=TIMED),
        pytest.param("slow:delay_s=0.05:kind=burn:place=worker", "input-bound: decode", marks=TIMED),
        pytest.param("cupy", "compute-bound", marks=TIMED),
    ],
)
def test_a_planted_cause_is_found(loader: str, cause: str, small: Dataset, tmp_path: Path) -> None:
    [result] = session.run([loader], small.folder, tmp_path, REQUEST)
    profile = result.profile
    assert result.findings[0].cause.startswith(cause), result.findings
    assert profile.steps == 12
    names = {row.name for row in profile.ranges if row.thread == "main"}
    assert {"step", "next", "forward", "backward", "optimizer"} <= names
    waited = sum(row.seconds for row in profile.ranges if row.name == "next" and row.thread == "main")
    assert profile.epoch is not None
    # the clocks also cover the step before the window, in which the profiler starts up
    assert 0.5 * profile.epoch.wait_s < waited < profile.epoch.wait_s + 0.005
    [trace] = tmp_path.rglob("trace.json")
    assert json.loads(trace.read_text())["traceEvents"]
    assert list(files.explained(tmp_path)) == [result]


def test_cpu_time_of_the_recorder_does_not_count_for_the_steps(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sleeping loader was diagnosed as "CPU starved" when the recorder took long to start and end."""
    within: list[float] = []

    @contextmanager
    def recording(_task: trial.ProfileTask) -> Iterator[None]:
        delay("burn", 0.5)
        within.append(time.process_time())
        yield
        within.append(time.process_time())
        delay("burn", 0.5)

    monkeypatch.setattr(trial, "_recording", recording)
    spec = TrialSpec(
        loader="slow:delay_s=0.05", mode="train", repeat=0, seed=0, batch_size=256, epochs=1, device="cpu",
        model=ModelSpec(hidden=(8,), embedding_width=4),
    )  # fmt: skip
    message = trial.run(
        trial.ProfileTask(spec=spec, dataset=str(small.folder), steps=5, profiler="torch", trace=str(tmp_path / "t"))
    )
    assert message.epoch is not None
    assert message.epoch.cpu_s is not None
    assert message.epoch.cpu_s < within[1] - within[0] + 0.1


@pytest.mark.slow
def test_each_rank_of_two_can_be_recorded_and_another_one_that_fails_is_named(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fails.py").write_text(FAILS_ON_RANK_1)
    monkeypatch.chdir(tmp_path)
    request = replace(REQUEST, ranks=2, profiled_ranks=(0, 1), model=ModelSpec(hidden=(16,)))
    results = session.run(["native-batched", "fails:Fails"], small.folder, tmp_path / "run", request)
    for rank, title in enumerate(("native-batched", "native-batched, rank 1")):
        profile = next(results).profile
        assert (profile.spec.ranks, profile.rank, profile.steps, profile.title) == (2, rank, 12, title)
        assert settings(profile.spec, profile.rank).startswith(f"rank {rank} of 2, batch 256")
    assert [recorded.rank for recorded in files.find(tmp_path / "run")] == [0, 1]
    with pytest.raises(FeedrateError, match=r"profiling fails:Fails failed: rank 1: ValueError: file 17 is missing"):
        next(results)


def test_a_rank_that_there_is_not_is_refused(small: Dataset, tmp_path: Path) -> None:
    request = replace(REQUEST, ranks=2, profiled_ranks=(0, 2))
    with pytest.raises(FeedrateError, match="--profile-ranks names rank 2, but the ranks are 0 to 1"):
        session.run(["native-batched"], small.folder, tmp_path / "run", request)


def test_no_loaders_and_no_ranks_are_refused(small: Dataset, tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match="loaders is empty: name at least one"):
        session.run([], small.folder, tmp_path / "run", REQUEST)
    with pytest.raises(FeedrateError, match="--profile-ranks is empty: name at least one"):
        session.run(["native-batched"], small.folder, tmp_path / "run", replace(REQUEST, profiled_ranks=()))


def test_the_command_prints_cause_evidence_and_remedy(
    small: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "profile",
        "slow:delay_s=0.05",
        str(small.folder),
        "-o",
        str(tmp_path),
        "--steps",
        "5",
        "--batch-size",
        "256",
    ]
    app.app([*arguments, "--device", "cpu", "--task", "dlrm"], standalone_mode=False)
    output = capsys.readouterr().out
    assert "task dlrm, batch 256" in output
    assert "input-bound: fetch" in output
    assert "seen:" in output
    assert "try:" in output


def test_invalid_requests_give_one_line_errors(small: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FeedrateError, match="file, which is a file: specify a folder"):
        list(session.run(["fake"], small.folder, tmp_path / "file", REQUEST))
    with pytest.raises(FeedrateError, match="--profiler is 'perf', but must be one of auto, nsys, torch"):
        list(session.run(["fake"], small.folder, tmp_path, replace(REQUEST, profiler="perf")))
    with pytest.raises(FeedrateError, match="--profiler is nsys, but on the CPU there is no device to record"):
        list(session.run(["fake"], small.folder, tmp_path, replace(REQUEST, profiler="nsys")))
    with pytest.raises(FeedrateError, match="task sequence cannot tell the target item"):
        list(session.run(["fake"], small.folder, tmp_path, replace(REQUEST, model=model_of("sequence", {}))))
    with pytest.raises(FeedrateError, match="has no profile: create one with `feedrate profile"):
        app.app(["explain", str(tmp_path)], standalone_mode=False)
    for broken in (b"{", b'{"profiler": "\xff"}', b'{"gaps": ' + b"[" * 100_000):
        (tmp_path / files.FILE).write_bytes(broken)
        with pytest.raises(FeedrateError, match="is not a profile"):
            list(files.explained(tmp_path))
