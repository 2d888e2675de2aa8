"""What this process and its forked workers have asked of object stores, and for how long they have waited for it."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

_REQUESTS, _RETRIES, _BYTES, _WAITING, _SINCE_S, _WAITED_S = range(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What has been used so far."""

    requests: int = 0
    """Requests that were sent, those that failed included."""
    retries: int = 0
    """Requests that were sent again after a failure."""
    bytes: int = 0
    """Bytes that were received and kept."""

    def since(self, before: Use) -> Use:
        """Return the growth."""
        return Use(
            requests=self.requests - before.requests,
            retries=self.retries - before.retries,
            bytes=self.bytes - before.bytes,
        )


class Traffic:
    """Counters in memory that forked workers share with the process that started them."""

    def __init__(self) -> None:
        self._counts = multiprocessing.get_context("fork").Array("d", 6)
        self.is_complete = True
        """Whether all requests are counted. False after other_processes_read()."""

    def other_processes_read(self) -> None:
        """Note that processes read, too, which do not share the counters: what was asked for is not known then."""
        self.is_complete = False

    def count(self, *, requests: int = 0, retries: int = 0, nbytes: int = 0) -> None:
        """Add to the counters."""
        with self._counts.get_lock():
            self._counts[_REQUESTS] += requests
            self._counts[_RETRIES] += retries
            self._counts[_BYTES] += nbytes

    def use(self) -> Use:
        """Return the counters."""
        with self._counts.get_lock():
            counts = self._counts[:]
        return Use(requests=int(counts[_REQUESTS]), retries=int(counts[_RETRIES]), bytes=int(counts[_BYTES]))

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Note that the calling thread waits for the network. Threads that wait at the same time count once."""
        self._turn(1)
        try:
            yield
        finally:
            self._turn(-1)

    def waited_s(self) -> float:
        """Return the seconds in which at least one thread has waited for the network."""
        with self._counts.get_lock():
            waiting, since_s, waited_s = self._counts[_WAITING : _WAITED_S + 1]
        return float(waited_s + (time.monotonic() - since_s if waiting else 0.0))

    def _turn(self, change: int) -> None:
        with self._counts.get_lock():
            now = time.monotonic()  # the same clock for all processes of the machine
            if self._counts[_WAITING]:
                self._counts[_WAITED_S] += now - self._counts[_SINCE_S]
            self._counts[_SINCE_S] = now
            self._counts[_WAITING] += change


@cache
def traffic() -> Traffic:
    """Return the counters, which are made when the first file in a store is opened."""
    return Traffic()


def traffic_so_far() -> Traffic | None:
    """Return the counters. None if no file in a store was opened, or if not all requests are counted."""
    return traffic() if traffic.cache_info().currsize and traffic().is_complete else None
