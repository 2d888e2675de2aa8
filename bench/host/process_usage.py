"""What a process tree has used so far: CPU time, memory, bytes read. Looked at between timed windows, never in one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import psutil

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Usage:
    cpu_s: float
    """The process and all its children, those that ended included."""
    child_cpu_s: dict[int, float] = field(default_factory=dict)
    """Of each child that lives."""
    ended_cpu_s: float = 0.0
    """Of children that have ended."""
    storage_bytes: int | None = None
    read_bytes: int | None = None
    rss_bytes: int = 0
    pss_bytes: int | None = None

    @classmethod
    def now(cls, *, memory: bool) -> Usage:
        """memory: look at it, too, which takes a millisecond for each gigabyte mapped."""
        own = psutil.Process()
        times = own.cpu_times()
        children = own.children(recursive=True)
        cpu = {child.pid: spent for child in children if (spent := _asked(_cpu_s, child)) is not None}
        processes = [own, *children]
        io = [found for process in processes if (found := _asked(_io_bytes, process)) is not None]
        used = [found for process in processes if memory and (found := _asked(_memory_bytes, process)) is not None]
        return cls(
            cpu_s=times.user + times.system + times.children_user + times.children_system + sum(cpu.values()),
            child_cpu_s=cpu,
            ended_cpu_s=times.children_user + times.children_system,
            storage_bytes=sum(storage for storage, _ in io) if io else None,
            read_bytes=sum(read for _, read in io) if io else None,
            rss_bytes=sum(rss for rss, _ in used),
            pss_bytes=sum(pss for _, pss in used) or None,
        )

    def busiest_child_s(self, before: Usage) -> float:
        """CPU time of the child that worked the most since `before`; 0 without children.

        Children that have ended since count together: the system does not say how much each of them worked.
        """
        living = (spent - before.child_cpu_s.get(pid, 0.0) for pid, spent in self.child_cpu_s.items())
        return max(self.ended_cpu_s - before.ended_cpu_s, max(living, default=0.0))


def since_process_start() -> float:
    """Seconds."""
    return float(time.time() - psutil.Process().create_time())


def since(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else max(now - before, 0)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _io_bytes(process: psutil.Process) -> tuple[int, int]:
    """From storage, and through read calls."""
    io = process.io_counters()
    return io.read_bytes, io.read_chars


def _memory_bytes(process: psutil.Process) -> tuple[int, int]:
    """RSS and PSS."""
    memory = process.memory_full_info()
    return memory.rss, memory.pss


def _asked(question: Callable[[psutil.Process], Value], process: psutil.Process) -> Value | None:
    """None where the process ended as it was looked at, or may not be looked at, or the platform has no answer."""
    try:
        return question(process)
    except (psutil.Error, AttributeError, OSError):
        return None
