"""Waits until processes have ended."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil


def lives(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def still_alive(pids: Iterable[int], within_s: float = 5.0) -> set[int]:
    """Those of the processes that live after `within_s` seconds. Returns earlier if none does."""
    deadline = time.monotonic() + within_s
    while (left := {pid for pid in pids if lives(pid)}) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left
