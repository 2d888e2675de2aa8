"""How a trial's processes are started, and what a killed run leaves for the next one to remove."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from feedrate.bench.host.kept_process import Ended
from feedrate.bench.host.ranks.rank_files import RankFiles
from feedrate.bench.results.messages import Task
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.ranks.launch import launch

SPEC = TrialSpec(loader="fake", mode="load", repeat=0, seed=0, batch_size=300, epochs=2, device="cpu", ranks=2)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_run_left_of_its_ranks_is_removed(temporary: Path) -> None:
    abandoned = temporary / "feedrate_of_a_killed_run"
    abandoned.mkdir()
    (abandoned / ".lock").touch()
    with launch("python", Task(spec=SPEC, dataset="data")) as how:
        assert how.command[-1].startswith(str(temporary / "feedrate_"))
        assert not abandoned.exists()
    assert list(temporary.iterdir()) == []


def test_a_preparation_and_a_single_rank_take_one_process() -> None:
    for task in (Task(spec=SPEC, dataset="data", only_prepare=True), Task(spec=replace(SPEC, ranks=1), dataset="data")):
        with launch("python", task) as how:
            assert how.ranks is None
            assert msgspec.json.decode(how.stdin, type=Task) == task


def test_a_rank_that_ends_well_too_early_is_named_by_what_the_others_lost(temporary: Path) -> None:
    """torchrun then only sees how the ranks end that wait for it."""
    with launch("python", Task(spec=replace(SPEC, ranks=3), dataset="data")) as how:
        assert how.ranks is not None
        files = RankFiles(Path(how.command[-1]))
        files.fail(0, b"", lost=True)
        output = b"Root Cause (first observed failure):\n  rank      : 0 (local_rank: 0)\n  exitcode  : 1 (pid: 7)\n"
        assert how.ranks.failure(Ended(1, False), output).startswith("rank 0: ")
        files.fail(2, b"", lost=True)
        assert (
            how.ranks.failure(Ended(1, False), output)
            == "rank 1: its process exited with code 0 before it delivered a result"
        )
        killed = output.replace(b": 0 (", b": 1 (").replace(b": 1 (pid", b": -9 (pid")
        assert "rank 1: its process was killed by SIGKILL" in how.ranks.failure(Ended(1, False), killed)


def test_the_quietest_rank_is_the_one_for_whose_step_the_others_wait(tmp_path: Path) -> None:
    files = RankFiles(tmp_path)
    for rank in (1, 0):
        files.live(rank)
        os.utime(tmp_path / f"alive-{rank}", (rank, rank))
    assert files.quietest(2) == 0
    steps = [files.counter(rank) for rank in range(2)]
    for step in (*steps, steps[0]):
        step()
    assert [files.steps(rank) for rank in range(2)] == [2, 1]
    assert files.quietest(2) == 1
