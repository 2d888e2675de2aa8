"""Signals at a run, at several times: a sentence, the finished trials and their report, no process left, an exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from feedrate.bench.datasets.canonical import Dataset, read_dataset
from tests.samples.living import still_alive
from tests.samples.processes.command import FEEDRATE, start, trials, wait_until

LOADERS = "fake:delay_s=0.05,fake:delay_s=0.06"
SIGNALS = [
    ([signal.SIGINT], 130),
    ([signal.SIGHUP], 129),
    ([signal.SIGINT, signal.SIGINT], 130),
    ([signal.SIGTERM, signal.SIGINT, signal.SIGINT, signal.SIGINT], 143),
    ([signal.SIGKILL], -9),
]
"""Signals to send one after the other, and the exit code."""
TIMES_S = (4.0, 6.5, 9.0, 1.5, 6.5, 0.3)
SHARES = (0.5, 0.95, 0.8, 1.0, 0.2)
EVERY = os.environ.get("FEEDRATE_SIGNALS") == "every"
"""Whether to send every signal at every time, which takes six minutes more, instead of each at one or two."""
RUN_POINTS = [
    (after_s, *SIGNALS[number])
    for place, after_s in enumerate(TIMES_S)
    for number in (range(len(SIGNALS)) if EVERY else [place % len(SIGNALS)])
]
PREPARATION_POINTS = [
    (share, number)
    for place, share in enumerate(SHARES)
    for number in (
        (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[slice(None) if EVERY else slice(place % 3, place % 3 + 1)]
    )
]
RUN = "--modes load --epochs 3 --repeats 1 --seeds 0 --batch-size 100 --device cpu".split()


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
    ("after_s", "numbers", "code"), RUN_POINTS, ids=lambda value: name(value) if isinstance(value, list) else None
)
def test_a_signal_at_any_time_loses_nothing(
    after_s: float, numbers: list[int], code: int, small: Dataset, tmp_path: Path
) -> None:
    """After 0.3 s modules are imported, then the machine is observed and the harness timed, and then trials run."""
    words = ("run", small.folder, "--loaders", "fake:delay_s=0.02,fake:delay_s=0.01", *RUN, "-o", tmp_path / "r")
    run = start(*words)
    time.sleep(after_s)
    announced = 0
    ended, _, said, children = stop(run, *numbers)
    announced = said.count("batch 100 seed 0: ")
    assert ended in (code, 128 + numbers[-1]), said
    assert "Traceback" not in said
    assert not still_alive(children)
    kept = trials(tmp_path / "r")
    assert len(kept) >= announced
    assert (tmp_path / "r" / "report.html").exists() == bool(kept) or len(numbers) > 1 or code < 0
    if code > 0 and len(numbers) < 3 and (tmp_path / "r").exists():
        assert {path.name for path in (tmp_path / "r").iterdir()} <= {"run.json", "report.html"}
    _, said = start(*words, "--resume").communicate()
    finished = trials(tmp_path / "r")
    assert sorted(trial["spec"]["loader"] for trial in finished) == ["fake:delay_s=0.01", "fake:delay_s=0.02"], said
    assert finished[: len(kept)] == kept
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["report.html", "run.json"]


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


@pytest.mark.slow
@pytest.mark.parametrize(("share", "number"), PREPARATION_POINTS)
def test_a_preparation_that_is_stopped_leaves_the_old_dataset_or_the_new_one(
    share: float, number: signal.Signals, tmp_path: Path
) -> None:
    words = ("prepare", "synthetic-movielens", "-o", tmp_path / "d", "--overwrite", "--rows")
    start(*words, 2_000).communicate()
    began = time.monotonic()
    start(*words, 300_000).communicate()
    whole_s = time.monotonic() - began
    start(*words, 2_000).communicate()
    again = start(*words, 300_000)
    time.sleep(share * whole_s)
    code, _, said, children = stop(again, number)
    rows = sum(split.rows for split in read_dataset(tmp_path / "d").info.splits.values())
    assert rows in ((300_000,) if code == 0 else (2_000, 300_000)), said  # it may have been in place already
    assert code in (0, -number, 128 + number), said  # Python itself handles no signal any more while it ends
    assert code != -number or number == signal.SIGKILL or rows == 300_000
    assert not still_alive(children)
    if number != signal.SIGKILL:
        assert [path.name for path in tmp_path.iterdir()] == ["d"]
    start(*words, 2_000).communicate()
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    assert json.loads((tmp_path / "d" / "dataset.json").read_text())["splits"]["train"]["rows"] == 1_600
