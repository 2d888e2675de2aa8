"""Signals at a run, at several times: a sentence, the finished trials and their report, no process left, an exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from feedrate.bench.datasets.canonical import Dataset
from tests.samples.living import still_alive
from tests.samples.processes.command import FEEDRATE, start, trials, wait_until

LOADERS = "fake:delay_s=0.05,fake:delay_s=0.06"
SIGNALS = [
    ([signal.SIGHUP], 129),
    ([signal.SIGINT, signal.SIGINT], 130),
    ([signal.SIGTERM, signal.SIGINT, signal.SIGINT, signal.SIGINT], 143),
]
"""Signals to send one after the other, and the exit code. tests/kills sends SIGTERM, SIGINT and SIGKILL at random times."""
RUN = "--modes load --epochs 1 --repeats 1 --seeds 0 --batch-size 100 --device cpu".split()


def name(numbers: list[int]) -> str:
    return "-".join(signal.Signals(number).name for number in numbers)


def descendants(process: subprocess.Popen[str]) -> list[int]:
    return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]


def stop(process: subprocess.Popen[str], *numbers: int) -> tuple[int, str, str, list[int]]:
    """Send signals to the process alone. Return its exit code, what it printed, and its descendants at the time."""
    children = descendants(process)
    for number in numbers:
        os.kill(process.pid, number)
        time.sleep(0.05)
    out, said = process.communicate(timeout=60)
    return process.returncode, out, said, children


@pytest.mark.slow
def test_a_terminated_run_keeps_and_reports_its_trials_and_is_resumed(small: Dataset, tmp_path: Path) -> None:
    words = ("run", small.folder, "--loaders", LOADERS, *RUN, "-o", tmp_path / "r")
    run = start(*words)
    wait_until(lambda: trials(tmp_path / "r"))
    time.sleep(1.0)  # well within the other trial, whichever that is
    code, out, said, children = stop(run, signal.SIGTERM)
    assert code == 143, said
    assert f"stopped by SIGTERM: {tmp_path}/r keeps 1 trial(s); --resume continues\n" in said
    assert said.endswith("feedrate: stopped by SIGTERM; every file is complete or as it was\n")
    assert "Traceback" not in said
    assert len(children) >= 2
    assert not still_alive(children)
    assert "fake:delay_s=0.0" in out
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["report.html", "run.json"]
    done = start(*words, "--resume").communicate()
    assert [trial["status"] for trial in trials(tmp_path / "r")] == ["ok", "ok"], done


@pytest.mark.slow
@pytest.mark.parametrize(
    ("numbers", "code"), SIGNALS, ids=lambda value: name(value) if isinstance(value, list) else None
)
def test_several_signals_leave_the_finished_trial_and_no_process(
    numbers: list[int], code: int, small: Dataset, tmp_path: Path
) -> None:
    run = start("run", small.folder, "--loaders", LOADERS, *RUN, "-o", tmp_path / "r")
    wait_until(lambda: trials(tmp_path / "r"))
    ended, _, said, children = stop(run, *numbers)
    assert ended in (code, 128 + numbers[-1]), said
    assert "Traceback" not in said
    assert not still_alive(children)
    assert [trial["status"] for trial in trials(tmp_path / "r")] == ["ok"]
    assert (tmp_path / "r" / "report.html").exists() or len(numbers) > 1
    if len(numbers) < 3:
        assert {path.name for path in (tmp_path / "r").iterdir()} <= {"run.json", "report.html"}


def test_signals_that_were_ignored_from_the_start_stay_ignored(tmp_path: Path) -> None:
    """As under nohup."""
    script = f"trap '' HUP; exec {FEEDRATE[0]} -P -c '{FEEDRATE[-1].removesuffix('main()')}import os, signal; os.kill(os.getpid(), signal.SIGHUP); main()' version"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_preparation_that_is_stopped_says_so_and_leaves_nothing(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    preparation = start("prepare", "synthetic-movielens", "-o", tmp_path / "new" / "d", "--rows", 9_000_000)
    wait_until(lambda: list(tmp_path.glob("new/.d.partial-*/train/*.parquet")))
    ended, _, said, children = stop(preparation, number)
    words = "Ctrl-C" if number == signal.SIGINT else number.name
    assert (ended, said) == (code, f"feedrate: stopped by {words}; every file is complete or as it was\n")
    assert not still_alive(children)
    assert list(tmp_path.iterdir()) == []
