"""The cores of a node. Work that wants more cores than there are takes longer."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from math import inf
from typing import Protocol

import simpy

from feedrate.bench.simulation.alarm import Alarm

TOGETHER_S = 1e-9
"""Work that ends within this time ends together."""


class Cores(Protocol):
    """Where a rank's work on the host runs."""

    def run(self, seconds: float, width: float) -> simpy.Event:
        """Begin work that takes so long on `width` cores. The event is the end of it."""
        ...


@dataclass(frozen=True, slots=True)
class EnoughCores:
    """A node on which nothing ever waits for a core. It costs one event for each piece of work."""

    env: simpy.Environment

    def run(self, seconds: float, width: float) -> simpy.Event:  # noqa: ARG002  enough for any width
        """Begin work that takes so long."""
        return self.env.timeout(seconds)


@dataclass(slots=True)
class _Work:
    left_s: float
    width: float
    done: simpy.Event
    speed: float = 1.0


class SharedCores:
    """A node whose cores are shared fairly: nobody gets more than it wants, and what is left goes to the others."""

    def __init__(self, env: simpy.Environment, cores: float) -> None:
        self._env, self._cores = env, cores
        self._work: list[_Work] = []
        self._at = 0.0
        self._alarm = Alarm(env, self._end)

    def run(self, seconds: float, width: float) -> simpy.Event:
        """Begin work that takes so long on `width` cores, and longer on fewer."""
        self._advance()
        work = _Work(seconds, width, self._env.event())
        insort(self._work, work, key=lambda work: work.width)
        self._plan()
        return work.done

    def _advance(self) -> None:
        elapsed = self._env.now - self._at
        for work in self._work:
            work.left_s -= elapsed * work.speed
        self._at = self._env.now

    def _plan(self) -> None:
        """Share the cores, and wake up when the first work ends, unless other work begins before."""
        free, waiting, first_s = self._cores, len(self._work), inf
        for work in self._work:  # sorted by width
            got = min(work.width, free / waiting)
            work.speed = got / work.width if work.width else 1.0
            free, waiting = free - got, waiting - 1
            first_s = min(first_s, work.left_s / work.speed)
        if self._work:
            self._alarm.set(first_s)

    def _end(self) -> None:
        self._advance()
        first_s = min(work.left_s / work.speed for work in self._work) + TOGETHER_S
        ended = [work for work in self._work if work.left_s / work.speed <= first_s]
        self._work = [work for work in self._work if work.left_s / work.speed > first_s]
        for work in ended:
            work.done.succeed()
        self._plan()
