"""The command in a process of its own, as pip's script starts it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FEEDRATE = [sys.executable, "-P", "-c", "from feedrate.__main__ import main; main()"]


def start(*words: object, folder: Path | None = None) -> subprocess.Popen[str]:
    """Start the command in a process group of its own, in which Ctrl-C is not ignored. folder: where, if not here."""
    return subprocess.Popen(
        [*FEEDRATE, *map(str, words)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        cwd=folder,
        # what a shell runs in the background ignores Ctrl-C, and hands that on
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def wait_until(seen: Callable[[], object], within_s: float = 300.0) -> None:
    """Wait until something is seen. Fails after within_s seconds."""
    deadline = time.monotonic() + within_s
    while not seen():
        assert time.monotonic() < deadline, "it was not seen in time"
        time.sleep(0.02)


def trials(run: Path) -> list[dict[str, Any]]:
    """The trials of a run's record; none if there is no record yet."""
    file = run / "run.json"
    return list(json.loads(file.read_bytes())["trials"]) if file.exists() else []
