"""Real processes under a keeper: none is left, whatever it did to get away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from feedrate.bench.host.kept_process import Ended, KeptProcess
from tests.samples.living import still_alive

AWAY = """
import os, signal, sys, time
def away(file):
    # twice forked, in a new session, deaf to polite signals, with the pipes still open
    if os.fork() == 0:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            with open(file + ".new", "w") as out:
                out.write(str(os.getpid()))
            os.rename(file + ".new", file)
            time.sleep(3600)
        os._exit(0)
    os.wait()
    while not os.path.exists(file):
        time.sleep(0.01)
away(sys.argv[1])
"""


def kept(source: str, *arguments: str) -> KeptProcess:
    return KeptProcess([sys.executable, "-c", source, *arguments])


def pid_in(file: Path) -> int:
    deadline = time.monotonic() + 20
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return int(file.read_text())


@pytest.mark.parametrize(
    ("source", "ended"),
    [
        ("pass", Ended(0, stopped=False)),
        ("import os; os._exit(3)", Ended(3, stopped=False)),
        ("import os; os.abort()", Ended(-signal.SIGABRT, stopped=False)),
        ("import os; os.kill(os.getpid(), 9)", Ended(-signal.SIGKILL, stopped=False)),
    ],
)
def test_a_command_ends_with_its_own_exit_status(source: str, ended: Ended) -> None:
    assert kept(source).end(20) == ended


def test_a_command_that_goes_on_is_stopped_and_that_is_said() -> None:
    child = kept("import time; time.sleep(3600)")
    assert child.end(0.1) == Ended(-signal.SIGKILL, stopped=True)
    assert not still_alive([child.pid])


def test_a_command_that_cannot_be_started_ends_with_the_reason_in_its_output() -> None:
    child = KeptProcess(["/no/such/program"])
    assert child.end(20).code == 127
    assert b"cannot start /no/such/program: [Errno 2]" in child.stderr.content()


def test_the_command_reads_and_writes_its_pipes() -> None:
    child = kept("import sys; print(sys.stdin.read().upper()); print('to err', file=sys.stderr)")
    child.send(b"words")
    assert child.stdout.read() == b"WORDS\n"
    assert child.end(20).code == 0
    assert child.stderr.content() == b"to err\n"


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "time.sleep(3600)"])
def test_a_process_in_another_session_ends_with_the_command(end: str, tmp_path: Path) -> None:
    child = kept(AWAY + end, str(tmp_path / "pid"))
    away = pid_in(tmp_path / "pid")
    child.end(20 if "sleep" not in end else 0)
    assert not still_alive([away, child.pid], within_s=0.5)


def kill_suite(_keeper: int) -> None:
    """Nothing more: the suite is killed in any case."""


def kill_keeper(keeper: int) -> None:
    os.kill(keeper, signal.SIGKILL)


@pytest.mark.parametrize(
    ("first", "spared"), [(kill_suite, set()), (kill_keeper, {"away"})], ids=["suite", "keeper and suite"]
)
def test_a_command_whose_suite_was_killed_ends(first: Callable[[int], None], spared: set[str], tmp_path: Path) -> None:
    """If the keeper was killed, too, nobody knows of processes in other sessions any more."""
    suite = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from feedrate.bench.host.kept_process import KeptProcess\n"
         "child = KeptProcess([sys.executable, '-c', *sys.argv[1:]])\n"
         "print(child.pid, child._keeper.pid, flush=True); time.sleep(3600)",
         AWAY + "time.sleep(3600)", str(tmp_path / "pid")],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert suite.stdout is not None
    child, keeper = map(int, suite.stdout.readline().split())
    away = pid_in(tmp_path / "pid")
    first(keeper)
    suite.kill()
    suite.communicate()
    assert not still_alive([child, keeper])
    if "away" in spared:
        os.kill(away, signal.SIGKILL)
    assert not still_alive([away])


def test_a_keeper_that_was_killed_leaves_no_command(tmp_path: Path) -> None:
    child = kept("import time; time.sleep(3600)")
    child._keeper.kill()
    assert child.end(20) == Ended(None, stopped=False)
    assert not still_alive([child.pid])


def test_pipes_are_closed_at_the_end() -> None:
    kept("pass").end(20)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        child = kept("print('x')")
        child.stdout.read()
        child.end(20)
        child.stdout.close()
        child.stderr.content()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_temporary_files_of_a_killed_command_are_removed() -> None:
    child = kept("import tempfile, time; print(tempfile.mkdtemp(), flush=True); time.sleep(3600)")
    made = Path(child.stdout.readline().decode().strip())
    assert made.is_dir()
    child.end()
    child.stdout.close()
    assert not made.parent.exists()
    assert made.parent.name.startswith("feedrate_")


def test_a_folder_for_temporary_files_with_a_long_path_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sockets in it could not be opened: their paths may have 107 bytes."""
    (folder := tmp_path / ("x" * 60)).mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    child = kept("import tempfile; print(tempfile.gettempdir())")
    assert child.stdout.read().decode() == f"{folder}\n"
    child.end(20)
    child.stdout.close()
    assert list(folder.iterdir()) == []
