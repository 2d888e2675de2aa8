"""Clocks, synchronisation and CUDA events: the only module that touches them.

Within a timed window nothing here waits for the device: it is synchronised once before the clock starts and once before
it stops (a synchronisation each step would take away the overlap that a good loader provides). Events are recorded, and
read after the window.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


def now() -> float:
    """Seconds of CLOCK_MONOTONIC: the same for every process of the machine."""
    return time.monotonic()


def utc() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def synchronise(device: str) -> None:
    """Wait until the device has finished; nothing to do on the CPU."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


def device_seconds(work: Callable[[], None], device: str) -> float:
    """Device time of what is enqueued on the current stream. Waits for it."""
    import torch

    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    synchronise(device)
    with torch.cuda.device(device):
        begin.record()
        work()
        end.record()
    synchronise(device)
    return float(begin.elapsed_time(end)) / 1e3
