"""Ends child processes and explains how they died."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess


def last_words(text: str) -> str:
    """Return the last line of a process's output. If the process failed, that line usually tells why."""
    return (text.strip().splitlines() or ["no reason given"])[-1]


def end_group(child: subprocess.Popen[bytes], *, patience_s: float) -> None:
    """Wait up to patience_s seconds for the child, then kill its process group, including workers it left behind."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=patience_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def how_it_died(code: int | None) -> str:
    """Describe how a child process ended that delivered no result. A negative code is the signal that killed it."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = " (often: out of memory)" if name == "SIGKILL" else ""
        return f"its process was killed by {name}{hint}"
    return f"its process exited with code {code} before it delivered a result"
