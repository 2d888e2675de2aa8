"""What an epoch asked of the object store that its dataset is in."""

from __future__ import annotations

from dataclasses import dataclass

from feedrate.bench.results.bounds import Bytes, Count, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRecord:
    """Requests of the loader's process and of workers that it forked, within the window of an epoch."""

    requests: Count
    """Requests that were sent, those that failed included."""
    retries: Count
    """Requests that were sent again after an error of the network or the store."""
    bytes: Bytes
    """Bytes that were received and kept."""
    wait_s: Seconds
    """Time in next() in which a thread of the loader waited for an answer."""
