"""Measures what a process tree has used so far: CPU time, memory, bytes read.

Readings are taken between timed windows, never within one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

from feedrate.loaders.stores.traffic import Use, traffic_so_far

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Usage:
    """Resources used by this process and its descendants. Values that the platform does not report are None."""

    cpu_s: float
    """CPU time of the process and all its children, including those that have ended."""
    child_cpu_s: dict[int, float] = field(default_factory=dict)
    """CPU time of each living child, by process id."""
    ended_cpu_s: float = 0.0
    """Total CPU time of children that have ended."""
    storage_bytes: int | None = None
    """Bytes fetched from storage."""
    read_bytes: int | None = None
    """Bytes returned by read calls, including those that the page cache served."""
    rss_bytes: int = 0
    """Sum of the resident set sizes. 0 if memory was not read."""
    pss_bytes: int | None = None
    """Sum of the proportional set sizes. None if memory was not read or the platform does not report it."""

    network: Use | None = None
    """What object stores were asked for. None if no file in one was opened."""

    @classmethod
    def now(cls, *, memory: bool) -> Usage:
        """Read the usage of this process and its descendants.

        memory: whether to read memory, too, which takes a millisecond per mapped gigabyte.
        """
        process = psutil.Process()
        times = process.cpu_times()
        children = process.children(recursive=True)
        cpu = {child.pid: spent for child in children if (spent := _query(_cpu_s, child)) is not None}
        tree = [process, *children]
        io = [counts for member in tree if (counts := _query(_io_bytes, member)) is not None]
        used = [sizes for member in tree if memory and (sizes := _query(_memory_bytes, member)) is not None]
        return cls(
            cpu_s=times.user + times.system + times.children_user + times.children_system + sum(cpu.values()),
            child_cpu_s=cpu,
            ended_cpu_s=times.children_user + times.children_system,
            storage_bytes=sum(storage for storage, _ in io) if io else None,
            read_bytes=sum(read for _, read in io) if io else None,
            rss_bytes=sum(rss for rss, _ in used),
            pss_bytes=sum(pss for _, pss in used) or None,
            network=traffic.use() if (traffic := traffic_so_far()) else None,
        )

    def busiest_child_s(self, before: Usage) -> float:
        """Return the CPU time in seconds of the child that worked most since `before`. 0 without children.

        Children that have ended since then count as one, because the system reports only their sum.
        """
        living = (spent - before.child_cpu_s.get(pid, 0.0) for pid, spent in self.child_cpu_s.items())
        return max(self.ended_cpu_s - before.ended_cpu_s, max(living, default=0.0))


def since_process_start() -> float:
    """Return the seconds since this process started. The system counts both from its own start, so a clock that is set does no harm."""
    started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def since(now: int | None, before: int | None) -> int | None:
    """Return the growth of a counter, at least 0. None if either reading is None."""
    return None if now is None or before is None else max(now - before, 0)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _io_bytes(process: psutil.Process) -> tuple[int, int]:
    """Return the bytes fetched from storage and the bytes returned by read calls."""
    io = process.io_counters()
    return io.read_bytes, io.read_chars


def _memory_bytes(process: psutil.Process) -> tuple[int, int]:
    """Return RSS and PSS."""
    memory = process.memory_full_info()
    return memory.rss, memory.pss


def _query(read: Callable[[psutil.Process], Value], process: psutil.Process) -> Value | None:
    """Return None if the process has just ended, access is denied, or the platform does not report the value."""
    try:
        return read(process)
    except (psutil.Error, AttributeError, OSError):
        return None
