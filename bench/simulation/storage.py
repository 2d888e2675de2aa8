"""Storage that all ranks read from. Reads that are under way at the same time share its bandwidth equally."""

from __future__ import annotations

from heapq import heappop, heappush

import simpy

from feedrate.bench.simulation.alarm import Alarm


class Storage:
    """Fair sharing with one limit for each read. Time passes in bytes: those that a read under way has got since the start."""

    def __init__(self, env: simpy.Environment, bytes_per_s: float, bytes_per_s_of_a_read: float) -> None:
        """bytes_per_s: of all reads together. bytes_per_s_of_a_read: what one gets at most, such as its share of a link."""
        self._env, self._total, self._most = env, bytes_per_s, bytes_per_s_of_a_read
        self._reads: list[tuple[float, int, simpy.Event]] = []
        self._bytes, self._at, self._count = 0.0, 0.0, 0
        self._alarm = Alarm(env, self._end)

    def read(self, n_bytes: float) -> simpy.Event:
        """Begin to read. The event is the end of it."""
        self._advance()
        done = self._env.event()
        self._count += 1
        heappush(self._reads, (self._bytes + n_bytes, self._count, done))
        self._alarm.set((self._reads[0][0] - self._bytes) / self._rate())
        return done

    def _rate(self) -> float:
        return min(self._most, self._total / len(self._reads))

    def _advance(self) -> None:
        if self._reads:
            self._bytes += (self._env.now - self._at) * self._rate()
        self._at = self._env.now

    def _end(self) -> None:
        self._advance()
        self._bytes = max(self._bytes, self._reads[0][0])  # rounding must not leave a read without an end
        while self._reads and self._reads[0][0] <= self._bytes:
            heappop(self._reads)[2].succeed()
        if self._reads:
            self._alarm.set((self._reads[0][0] - self._bytes) / self._rate())
