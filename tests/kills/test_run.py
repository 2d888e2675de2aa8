"""A run that is killed and resumed again and again keeps every trial that it announced, and ends with exactly the planned ones."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest

from feedrate.bench.datasets.canonical import Dataset
from tests.kills.killing import Commands, Killed
from tests.samples.processes.command import trials

LOADERS = ("native", "native-batched")
RUN = "--modes load --epochs 2 --repeats 1 --seeds 0 --batch-size 500 --device cpu --workers 1 --resume".split()


@pytest.mark.slow
def test_a_run_that_is_killed_and_resumed_loses_no_trial(small: Dataset, tmp_path: Path) -> None:
    commands, folder = Commands(tmp_path), tmp_path / "r"
    words = ("run", small.folder, "--loaders", ",".join(LOADERS), *RUN, "-o", folder)
    commands.whole(*words)
    _require_complete(folder)
    for number, after_s in commands.times("run"):
        while _is_complete(folder) or (killed := _kill(commands, number, after_s, *words)).finished:
            _require_complete(folder)
            shutil.rmtree(folder)
            after_s *= 0.8
        if number != signal.SIGKILL and not commands.dirty:
            assert {path.name for path in folder.glob("*")} <= {"run.json", "report.html"}
        if re.search(r"^stopped by \S+: \S+ keeps [1-9]", killed.said, re.MULTILINE):
            assert (folder / "report.html").exists()
    commands.whole(*words)
    _require_complete(folder)
    assert {path.name for path in folder.iterdir()} == {"run.json", "report.html"}
    assert [path.name for path in tmp_path.iterdir()] == ["r"]
    commands.remove_temporary()


def _kill(commands: Commands, number: signal.Signals, after_s: float, *words: object) -> Killed:
    folder = Path(str(words[-1]))
    kept = trials(folder)
    killed = commands.killed(number, after_s, *words)
    now = trials(folder)
    assert now[: len(kept)] == kept
    for place, loader in re.findall(r"^\[(\d+)\] (\S+) load #0 batch 500 seed 0: ", killed.said, re.MULTILINE):
        assert now[int(place) - 1]["spec"]["loader"] == loader, killed.said
    return killed


def _is_complete(folder: Path) -> bool:
    return len(trials(folder)) == len(LOADERS)


def _require_complete(folder: Path) -> None:
    """Fail unless the record has exactly the planned trials."""
    finished = trials(folder)
    assert sorted(trial["spec"]["loader"] for trial in finished) == sorted(LOADERS)
    assert [trial["status"] for trial in finished] == ["ok"] * len(LOADERS), finished
