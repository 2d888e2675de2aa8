"""Real trials of loaders that do what they should not: the reason is the true one, and the next trial is none the worse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run import suite
from feedrate.bench.run.suite import run_suite
from feedrate.loaders.errors import FeedrateError
from tests.samples.living import lives, still_alive

SPEC = TrialSpec(loader="native", mode="load", repeat=0, seed=0, batch_size=512, epochs=2, device="cpu")
PREAMBLE = """
import os, signal, subprocess, sys, threading, time
from feedrate.loaders import registry

def pipes():
    # open pipes other than standard input and output, among them the suite's
    return [fd for fd in range(3, 99) if os.path.exists(f"/proc/self/fd/{fd}") and "pipe" in os.readlink(f"/proc/self/fd/{fd}")]

class Loader:
    def __init__(self, split, config):
        self.loader = registry.choose("fake").open(split, config)
    def epoch(self, index):
        self.act(index)
        yield from self.loader.epoch(index)
    def act(self, index):
        pass
    def close(self):
        self.loader.close()
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(suite, "interpreter", lambda _loader: sys.executable)  # a process less for each trial
    return tmp_path


def run(source: str, folder: Path, data: Path, timeout_s: float = 60) -> TrialResult:
    (folder / "theirs.py").write_text(PREAMBLE + source)
    [result] = run_suite([replace(SPEC, loader="theirs:Loader")], data, timeout_s=timeout_s, logs=folder / "logs")
    return result


def act(statements: str) -> str:
    return f"    def act(self, index):\n        {statements}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (act("sys.exit(3)"), "it called sys.exit(3) (see logs/"),
        (act("raise KeyboardInterrupt"), "KeyboardInterrupt without a message, raised in theirs.py line"),
        (act("raise type('Odd', (BaseException,), {'__str__': lambda self: 1 / 0})"), "Odd with a message that cannot be printed"),
        (act("raise ValueError('<b>[red]x[/red]</b> \\udcff' + 'y' * 10**7)"), "ValueError: <b>[red]x[/red]</b> \\udcffyyy"),
        (act("os.close(2); os.close(1); sys.stderr = None; 1 / 0"), "ZeroDivisionError: division by zero"),
        (act("os._exit(3) if os.fork() else time.sleep(3600)"), "its process exited with code 3 before it delivered a result"),
        (act("os.kill(os.getpid(), 9)"), "its process was killed by SIGKILL (often: out of memory)"),
        (act("os.kill(os.getpid(), signal.SIGBUS)"), "its process was killed by SIGBUS (often: shared memory (/dev/shm) is full"),
        (act("os.kill(os.getpid(), 40)"), "its process was killed by signal 40"),
        (act("[os.close(fd) for fd in pipes()]"), "could not send the result"),
        (act("[os.write(fd, b'{}x\\n') for fd in pipes()]"), "it sent a line that is no message of feedrate's"),
        (act("null = os.open('/dev/null', os.O_RDWR); [os.dup2(null, fd) for fd in pipes()]"), "its process exited with code 0 before it delivered a result"),
        ("    def close(self):\n        raise RuntimeError('cannot close')\n", "RuntimeError: cannot close"),
        (act("os.kill(os.getppid(), 9); time.sleep(3600)"), "its process and the one that watches over it were killed"),
    ],
    ids=["sys.exit", "interrupt", "unprintable", "long", "no stderr", "exit with a fork", "SIGKILL", "SIGBUS", "signal 40",
         "closed pipe", "wrote to the pipe", "replaced pipe", "close raises", "killed keeper"],
)  # fmt: skip
def test_a_trial_fails_with_the_true_reason_in_one_line(source: str, sentence: str, here: Path, small: Dataset) -> None:
    result = run(source, here, small.folder)
    assert result.status == "failed"
    assert sentence in result.detail
    assert result.detail.isprintable()
    assert len(result.detail) < 350


def test_a_message_without_an_end_is_refused(here: Path, small: Dataset) -> None:
    statement = "[os.write(fd, b'x' * (1 << 20)) for _ in range(300) for fd in pipes()]"
    assert "it sent a message of more than 256 MiB and was stopped" in run(act(statement), here, small.folder).detail


@pytest.mark.alone
@pytest.mark.slow
def test_endless_output_is_kept_in_part_and_without_waiting(here: Path, small: Dataset) -> None:
    source = act("[os.write(1, b'noise ' * 100_000) for _ in range(1000)]; sys.stderr.write('the end'); 1 / 0")
    result = run(source, here, small.folder)
    assert "ZeroDivisionError" in result.detail
    [log] = (here / "logs").iterdir()
    text = log.read_text()
    assert len(text) < 300 << 10
    assert text.startswith("noise noise")
    assert "bytes left out ...]" in text
    assert "the endTraceback" in text


@pytest.mark.alone
@pytest.mark.slow
def test_a_loader_that_patches_the_system_s_functions_is_timed_all_the_same(here: Path, small: Dataset) -> None:
    source = act("os._exit = os.write = os.read = os.kill = None")
    assert run(source, here, small.folder).status == "ok"


SLOW_CLOCK = """
real, begun = time.monotonic, time.monotonic()
time.monotonic = lambda: begun + (real() - begun) / 4
class Loader(Loader):
    def epoch(self, index):
        for batch in super().epoch(index):
            time.sleep(0.05)
            yield batch
"""


def test_a_slowed_clock_is_void(here: Path, small: Dataset) -> None:
    result = run(SLOW_CLOCK, here, small.folder)
    assert result.status == "void"
    by_the_suite = "its clock shows 0." in result.detail and "the suite's clock 0." in result.detail
    assert by_the_suite or "it replaced time.monotonic" in result.detail


def test_a_trial_that_changes_the_data_is_void_and_the_run_ends(here: Path, tmp_path: Path) -> None:
    data = prepare_synthetic(tmp_path / "data", rows=5_000, options=PrepareOptions(seed=1)).folder
    source = act(f"open({str(data / 'valid' / 'part-0000.parquet')!r}, 'ab').write(b'more')")
    (here / "theirs.py").write_text(PREAMBLE + source)
    results = run_suite([replace(SPEC, loader="theirs:Loader"), SPEC], data)
    result = next(results)
    assert result.status == "void"
    assert "valid/part-0000.parquet changed (size" in result.detail
    assert "while this trial ran" in result.detail
    with pytest.raises(
        FeedrateError, match="valid/part-0000.parquet changed .* prepare the data again with --overwrite"
    ):
        next(results)


AWAY = """
class Loader(Loader):
    def act(self, index):
        if index == 0 and os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                open("away.pid", "w").write(str(os.getpid()))
                time.sleep(3600)
            os._exit(0)
        if index == 0:
            os.wait()
            while not os.path.exists("away.pid") or not open("away.pid").read():
                time.sleep(0.01)
        self.then()
    def then(self):
        END
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", ["pass", "os._exit(0)", "os.kill(os.getpid(), 9)", "time.sleep(3600)"])
def test_a_process_in_another_session_ends_with_the_trial(end: str, here: Path, small: Dataset) -> None:
    result = run(AWAY.replace("END", end), here, small.folder, timeout_s=5)
    assert (result.status == "ok") == (end == "pass"), result.detail
    assert not still_alive([int((here / "away.pid").read_text())], within_s=0.5)


SUITE = """
import sys
from dataclasses import replace
from pathlib import Path
from feedrate.bench.run.suite import run_suite
from tests.bench.run.test_trial_process import SPEC
list(run_suite([replace(SPEC, loader="native:workers=2", epochs=10_000)], Path(sys.argv[1])))
"""


def test_nothing_lives_on_when_the_suite_is_killed_in_a_trial(small: Dataset) -> None:
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    killed = subprocess.Popen([sys.executable, "-c", SUITE, str(small.folder)], env=environment)
    process = psutil.Process(killed.pid)
    deadline = time.monotonic() + 60
    while (
        len(tree := process.children(recursive=True)) < 4 and time.monotonic() < deadline
    ):  # keeper, trial, two workers
        time.sleep(0.05)
    pids = [child.pid for child in tree]
    assert len(pids) >= 4
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not lives(killed.pid)
    assert not still_alive(pids, within_s=5)
