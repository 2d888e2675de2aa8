"""Signals at a small program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

IMPORT = "from feedrate.bench.host.lifecycle.stop_signals import StopSignals"
IGNORING = f"""
import os, signal, sys, time
{IMPORT}
class Deaf:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
signals = StopSignals()
signals.handle()
try:
    Deaf()
    time.sleep(3600)
except KeyboardInterrupt:
    print(len(signals._received))
    signals.leave()
"""


def test_a_signal_is_repeated_if_python_had_to_ignore_its_exception() -> None:
    done = subprocess.run([sys.executable, "-P", "-c", IGNORING], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "1\n")
    assert done.stderr == "feedrate: stopped by Ctrl-C; every file is complete or as it was\n"


def test_nothing_is_raised_before_it_can_be_caught() -> None:
    code = f"import os\n{IMPORT}\nsignals = StopSignals()\nos.kill(os.getpid(), 15)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-15, "")


def test_an_import_is_not_interrupted(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import os, time\nos.kill(os.getpid(), 2)\ntime.sleep(0.3)\nprint('whole', flush=True)\n"
    )
    code = f"{IMPORT}\nsignals = StopSignals()\ntry:\n    signals.handle()\n    import slow\n    print('late')\nfinally:\n    signals.leave()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout.split()[0]) == (130, "whole")


def test_a_signal_that_waited_for_an_import_is_raised_once(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import os\nfrom feedrate.bench.host.lifecycle import stop_signals\nos.kill(os.getpid(), 2)\nstop_signals.check()\n"
    )
    code = f"""
import time
{IMPORT}
signals = StopSignals()
try:
    signals.handle()
    import slow
except KeyboardInterrupt:
    time.sleep(0.3)
    print("whole", flush=True)
signals.leave()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (130, "whole\n"), done.stderr
