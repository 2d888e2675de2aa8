"""A bounded queue of batches between a loader that works ahead and its model."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator

import simpy


class BatchQueue:
    """The batches of one rank that are ready. A batch is the seconds for which the loader waited for storage."""

    def __init__(self, env: simpy.Environment, capacity: int) -> None:
        """capacity: batches that fit, at least 1."""
        self._env, self._capacity = env, capacity
        self._ready: deque[float] = deque()
        self._changed: simpy.Event | None = None

    def put(self, batch: float) -> Generator[simpy.Event, object, None]:
        """Add a batch, and wait while there is no space for another one."""
        self._ready.append(batch)
        self._tell()
        while len(self._ready) >= self._capacity:
            yield self._change()

    def take(self) -> Generator[simpy.Event, object, float]:
        """Wait for a batch and return it, as a generator does."""
        while not self._ready:
            yield self._change()
        batch = self._ready.popleft()
        self._tell()
        return batch

    def _change(self) -> simpy.Event:
        """Return the event of the next change. Only one of loader and model can wait: the queue is not full and empty at once."""
        if self._changed is None:
            self._changed = self._env.event()
        return self._changed

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.succeed()
            self._changed = None
