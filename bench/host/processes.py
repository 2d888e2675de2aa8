"""Child processes: what they said last, how they died, and how their group is ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess


def last_words(text: str) -> str:
    """The last line a process has said: why it ended, where it ended badly."""
    return (text.strip().splitlines() or ["no reason given"])[-1]


def end_group(child: subprocess.Popen[bytes], *, patience_s: float) -> None:
    """End the child, and whatever workers it left in its group."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=patience_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def how_it_died(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = " (often: out of memory)" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended with exit code {code} before it had a result"
