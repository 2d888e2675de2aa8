"""CPU time and waits for a core of the threads of a process tree, from Linux's /proc/PID/task/TID/schedstat.

Readings are taken between timed windows. On a system without schedstat there are none.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import psutil


@dataclass(frozen=True, slots=True)
class ThreadTime:
    """What one thread has used since it started."""

    run_s: float
    """CPU time."""
    queue_s: float
    """Time in which the thread was ready to run but had no core."""


@dataclass(frozen=True, slots=True)
class ThreadTimes:
    """A reading of all threads of this process and its descendants."""

    consumer: ThreadTime | None
    """The thread that took the reading. None without schedstat."""
    threads: dict[int, ThreadTime] = field(default_factory=dict)
    """All threads of this process, by thread id."""
    workers: dict[int, ThreadTime] = field(default_factory=dict)
    """All threads of its descendants, by thread id."""
    process_s: float = 0.0
    """CPU time of this process, including threads that have ended."""
    children_s: float = 0.0
    """CPU time of its descendants, including those that have ended."""

    @classmethod
    def now(cls) -> ThreadTimes:
        """Take a reading."""
        process = psutil.Process()
        children = process.children(recursive=True)
        threads = _threads(process.pid)
        times = process.cpu_times()
        living_s = 0.0
        for child in children:
            with contextlib.suppress(psutil.Error):  # it has just ended, and is counted as ended next time
                spent = child.cpu_times()
                living_s += spent.user + spent.system
        return cls(
            consumer=threads.get(threading.get_native_id()),
            threads=threads,
            workers={tid: spent for child in children for tid, spent in _threads(child.pid).items()},
            process_s=time.process_time(),
            children_s=times.children_user + times.children_system + living_s,
        )

    def consumer_run_s(self, before: ThreadTimes) -> float | None:
        """Return the CPU seconds of the consumer's thread since `before`."""
        return None if self.consumer is None or before.consumer is None else self.consumer.run_s - before.consumer.run_s

    def consumer_queue_s(self, before: ThreadTimes) -> float | None:
        """Return the seconds since `before` in which the consumer's thread was ready to run but had no core."""
        if self.consumer is None or before.consumer is None:
            return None
        return self.consumer.queue_s - before.consumer.queue_s

    def others_queue_s(self, before: ThreadTimes) -> float | None:
        """Return the same of the other thread or worker that waited longest."""
        if self.consumer is None:
            return None
        after = {**self.threads, **self.workers}
        earlier = {**before.threads, **before.workers}
        own = threading.get_native_id()
        waits = (spent.queue_s - _queue_s(earlier, tid) for tid, spent in after.items() if tid != own)
        return max(waits, default=0.0)


def run_queue_s() -> float:
    """Return the seconds that this thread was ready to run but had no core. 0 if the system does not say."""
    spent = _reading("/proc/thread-self/schedstat")
    return spent.queue_s if spent else 0.0


class LoaderCpu:
    """The CPU time of a loader's own threads and processes: of all that did not exist before it was opened.

    Threads of libraries that run no Python are left out while they live: those of OpenMP keep a core busy for some
    milliseconds after their last work, whoever asked for it.
    """

    def __init__(self) -> None:
        """Take the threads that exist now for the harness's. Call it just before the loader is opened."""
        self._before = set(ThreadTimes.now().threads)
        self._not_counted: dict[int, float] = {}

    def spent_s(self, times: ThreadTimes) -> float | None:
        """Return the seconds that the loader's threads and all child processes have used until this reading."""
        if times.consumer is None:
            return None
        python = {thread.native_id for thread in threading.enumerate()}
        for tid, spent in times.threads.items():
            if tid in self._before or tid not in python:
                self._not_counted[tid] = spent.run_s
        return max(times.process_s - sum(self._not_counted.values()), 0.0) + times.children_s


def _queue_s(times: dict[int, ThreadTime], tid: int) -> float:
    return times[tid].queue_s if tid in times else 0.0


def _threads(pid: int) -> dict[int, ThreadTime]:
    """Return the times of a process's threads; none for a process that has ended or without schedstat."""
    try:
        tids = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return {}
    return {int(tid): spent for tid, spent in _readings(pid, tids)}


def _readings(pid: int, tids: Iterable[str]) -> Iterable[tuple[str, ThreadTime]]:
    for tid in tids:
        if spent := _reading(f"/proc/{pid}/task/{tid}/schedstat"):
            yield tid, spent


def _reading(path: str) -> ThreadTime | None:
    """Return a thread's times; None if it has ended or the system keeps no such times."""
    try:
        with open(path, "rb") as file:
            run, queue, *_slices = file.read().split()
        return ThreadTime(int(run) / 1e9, int(queue) / 1e9)
    except (OSError, ValueError):
        return None
