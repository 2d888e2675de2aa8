"""How a trial's processes are started, and what a killed run leaves for the next one to remove."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

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
