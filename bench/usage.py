"""What a process tree has used so far: CPU time, memory, bytes read. Looked at between timed windows, never in one."""

from __future__ import annotations

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
    storage_bytes: int | None = None
    read_bytes: int | None = None
    rss_bytes: int = 0
    pss_bytes: int | None = None

    @classmethod
    def now(cls, *, memory: bool) -> Usage:
        """memory: look at it, too, which takes a millisecond for each gigabyte mapped."""
        own = psutil.Process()
        times = own.cpu_times()
        children = [child for child in own.children(recursive=True) if _asked(lambda c=child: c.status()) is not None]
        cpu = {
            child.pid: found.user + found.system
            for child in children
            if (found := _asked(lambda c=child: c.cpu_times())) is not None
        }
        processes = [own, *children]
        io = [found for process in processes if (found := _asked(lambda p=process: p.io_counters())) is not None]
        rss = pss = 0
        if memory:
            rss = sum(found.rss for process in processes if (found := _asked(lambda p=process: p.memory_info())))
            pss = sum(found.pss for process in processes if (found := _asked(lambda p=process: p.memory_full_info())))
        return cls(
            cpu_s=times.user + times.system + times.children_user + times.children_system + sum(cpu.values()),
            child_cpu_s=cpu,
            storage_bytes=sum(found.read_bytes for found in io) if io else None,
            read_bytes=sum(found.read_chars for found in io) if io else None,
            rss_bytes=rss,
            pss_bytes=pss or None,
        )

    def busiest_child_s(self, before: Usage) -> float:
        """CPU time of the child that worked the most since `before`; 0 without children."""
        return max((spent - before.child_cpu_s.get(pid, 0.0) for pid, spent in self.child_cpu_s.items()), default=0.0)


def since(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else max(now - before, 0)


def _asked(question: Callable[[], Value]) -> Value | None:
    """None where the process ended as it was looked at, or may not be looked at, or the platform has no answer."""
    try:
        return question()
    except (psutil.Error, AttributeError, OSError):
        return None
