"""Explains how child processes ended."""

from __future__ import annotations

import signal

from feedrate.loaders.error_text import SHARED_MEMORY_FULL

LOST_PIPE = 97
"""Exit code of a trial's process that cannot send its result any more."""
_HINTS = {"SIGKILL": " (often: out of memory)", "SIGBUS": f" (often: {SHARED_MEMORY_FULL})"}


def last_words(text: str) -> str:
    """Return the last line of a process's output. If the process failed, that line usually tells why."""
    return (text.strip().splitlines() or ["no reason given"])[-1]


def how_it_died(code: int | None, stopped: bool = False) -> str:
    """Describe how a child process ended that delivered no result.

    code: negative for the signal that killed it. None if that is not known. stopped: whether feedrate sent that signal.
    """
    if stopped:
        return "feedrate stopped its process before it delivered a result"
    if code is None:
        return "its process and the one that watches over it were killed"
    if code == LOST_PIPE:
        return "its process could not send the result: the loader has closed or replaced the file descriptor for it"
    if code < 0:
        name = _signal_name(-code)
        return f"its process was killed by {name}{_HINTS.get(name, '')}"
    return f"its process exited with code {code} before it delivered a result"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
