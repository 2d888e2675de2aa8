"""Wakes up whoever shares something out, when the first of its users is done."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import simpy


class Alarm:
    """One time at which to wake up. An alarm that is put off still rings at its old time, which saves an event for each change."""

    def __init__(self, env: simpy.Environment, ring: Callable[[], None]) -> None:
        """ring: called when the time has come."""
        self._env, self._ring = env, ring
        self._at = inf
        self._rings_at = inf

    def set(self, seconds: float) -> None:
        """Ring after so many seconds from now, and not at the time that was set before."""
        self._at = self._env.now + max(seconds, 0.0)
        if self._at < self._rings_at:
            self._schedule()

    def _schedule(self) -> None:
        self._rings_at = self._at
        self._env.timeout(self._at - self._env.now, self._at).callbacks.append(self._wake)

    def _wake(self, wake: simpy.Event) -> None:
        if wake.value != self._rings_at:  # an earlier one was scheduled, and has rung
            return
        self._rings_at = inf
        if self._at <= self._env.now:
            self._at = inf
            self._ring()
        else:
            self._schedule()
