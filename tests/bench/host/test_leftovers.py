"""Real threads and processes that outlive a loader, each in a process that has adopted orphans, as a trial's has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.samples.living import still_alive

SCRIPT = """
import json, multiprocessing, os, signal, subprocess, sys, threading, time, _thread
from feedrate.bench.host.keeper import adopt_orphans
from feedrate.bench.host.leftovers import Threads, left_over

adopt_orphans()
pids = []
early = threading.Thread(target=time.sleep, args=(3600,), name="early", daemon=True)
early.start()
before = Threads.now()
{loader}
sentences = left_over(before, grace_s={grace_s})
print(json.dumps([sentences, pids]), flush=True)
os._exit(0)
"""
SLEEPER = "[sys.executable, '-c', 'import time; time.sleep(3600)']"


def run(loader: str, folder: Path, grace_s: float = 0.3) -> tuple[list[str], list[int]]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(loader=loader, grace_s=grace_s)],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sentences, pids = json.loads(done.stdout)
    return sentences, pids


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loader", "sentences"),
    [
        ("pass", []),
        ("threading.Thread(target=time.sleep, args=(0.1,)).start()", []),
        (
            f"for _ in range(2): pids.append(subprocess.Popen({SLEEPER}, start_new_session=True).pid)",
            ["2 processes still ran after close(): {python} -c import time; time.sleep(3600), "
             "{python} -c import time; time.sleep(3600); they were ended"],
        ),
        (
            "if (pid := os.fork()) == 0: signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)\npids.append(pid)",
            ["the process fork of the trial's process still ran after close(); it was ended"],
        ),
        (
            "p = multiprocessing.get_context('fork').Process(target=time.sleep, args=(3600,), name='filler')\n"
            "p.start(); pids.append(p.pid)",
            ["the process filler still ran after close(); it was ended"],
        ),
        (
            "r, w = os.pipe()\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    if os.fork() == 0:\n"
            "        os.write(w, str(os.getpid()).encode()); time.sleep(3600)\n"
            "    os._exit(0)\n"
            "os.wait(); pids.append(int(os.read(r, 99)))",
            ["the process fork of the trial's process still ran after close(); it was ended"],
        ),
        (
            "threading.Thread(target=time.sleep, args=(3600,), name='fill').start()",
            ["the thread 'fill' still ran after close()"],
        ),
        (
            "threading.Thread(target=time.sleep, args=(3600,), name='fill').start()\n"
            "_thread.start_new_thread(lambda: time.sleep(3600), ()); time.sleep(0.1)",
            ["2 threads still ran after close(): 'fill', (unnamed)"],
        ),
        ("multiprocessing.get_context('forkserver').Semaphore(1); from multiprocessing import forkserver\n"
         "forkserver.ensure_running()", []),
    ],
    ids=["nothing", "short thread", "new sessions", "fork", "multiprocessing", "double fork", "thread", "raw thread", "python's own"],
)  # fmt: skip
def test_what_outlives_close_is_named_and_ended(loader: str, sentences: list[str], tmp_path: Path) -> None:
    seen, pids = run(loader, tmp_path)
    python = Path(sys.executable).name
    assert sorted(seen) == sorted(sentence.replace("{python}", python) for sentence in sentences)
    assert bool(pids) == any("process" in sentence for sentence in sentences)
    assert not still_alive(pids)


def test_workers_that_end_within_the_grace_are_not_named(tmp_path: Path) -> None:
    loader = "pids.append(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(0.3)']).pid)"
    assert run(loader, tmp_path, grace_s=10)[0] == []
