"""Real processes that time loaders on one machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from feedrate.bench.host.lifecycle import machine_lock
from feedrate.bench.host.lifecycle.machine_lock import timing

HOLD = (
    "import sys; from feedrate.bench.host.lifecycle.machine_lock import timing\n"
    "with timing(wait=False, say=print, name='\\0' + sys.argv[1]):\n    print('held', flush=True)\n    sys.stdin.read()"
)


@pytest.fixture
def name() -> str:
    """A name of this test's alone."""
    return f"feedrate test {os.getpid()} {os.urandom(4).hex()}"


def holder(name: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_two_at_once_are_warned_of(name: str) -> None:
    said: list[str] = []
    with timing(wait=False, say=said.append, name=f"\0{name}"):
        pass
    assert said == []
    other = holder(name)
    with timing(wait=False, say=said.append, name=f"\0{name}"):
        other.communicate("")
    [sentence] = said
    assert sentence.startswith(f"process {other.pid} (`{sys.executable} -c ")
    assert sentence.endswith(
        "is timing loaders on this machine, too, so both are slower: pass --wait to start after it ends"
    )


def test_one_that_waits_begins_after_the_other_was_killed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_lock, "POLL_S", 0.01)
    other, said = holder(name), list[str]()

    def kill(sentence: str) -> None:
        said.append(sentence)
        threading.Timer(0.2, other.kill).start()

    with timing(wait=True, say=kill, name=f"\0{name}"):
        assert other.wait(10) != 0
    assert len(said) == 1
    assert f"waiting for process {other.pid} " in said[0]
