"""Clocks and device synchronization.

Nothing waits for the device inside a timed window. The device is synchronized once before the clock starts and once
before it stops. Synchronizing in each step would remove the overlap that a good loader provides. CUDA events are
recorded inside the window and read after it.

The clock is bound when this module is imported, so a loader that replaces functions of `time` does not change it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import CLOCK_BOOTTIME, clock_gettime, monotonic


def now() -> float:
    """Return the seconds of CLOCK_MONOTONIC, which all processes of the machine share."""
    return monotonic()


def suspended_s() -> float:
    """Return the seconds for which the machine was suspended since it was started. now() does not count them."""
    return clock_gettime(CLOCK_BOOTTIME) - monotonic()


def utc() -> str:
    """Return the current UTC time in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def synchronise(device: str) -> None:
    """Wait until the device has finished. Does nothing on the CPU."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


def device_seconds(work: Callable[[], None], device: str) -> float:
    """Measure the device time, in seconds, of what `work` enqueues on the current stream. Waits for the device."""
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    synchronise(device)
    with torch.cuda.device(device):
        start.record()
        work()
        end.record()
    synchronise(device)
    return float(start.elapsed_time(end)) / 1e3
