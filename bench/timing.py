"""Clocks, synchronisation and NVTX: the only module that touches them.

Within a timed window nothing here waits for the device: it is synchronised once before the clock starts and once before
it stops (a synchronisation each step would take away the overlap that a good loader provides).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from feedrate.loaders.base import Batch

DOMAIN = "feedrate"


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


class EpochClock:
    """Starts an epoch, hands on its batches and notes when each was asked for, when it came and how many rows it had."""

    def __init__(self, start: Callable[[], Iterator[Batch]], device: str) -> None:
        self._start, self._device = start, device
        self.rows = 0
        self.wall_s = 0.0
        self.window = (0.0, 0.0)
        """When the clock started and stopped, in the seconds of now()."""
        self._asked: list[float] = []
        self._came: list[float] = []

    def __iter__(self) -> Iterator[Batch]:
        asked, came, clock = self._asked, self._came, time.monotonic
        batches: Iterator[Batch] | None = None
        synchronise(self._device)
        while True:
            asked.append(clock())
            with span("next"):
                if batches is None:  # a loader may do its work before it returns an iterator: that is waiting, too
                    batches = iter(self._start())
                batch = next(batches, None)
            came.append(clock())
            if batch is None:
                break
            self.rows += batch.rows
            yield batch
        synchronise(self._device)
        self.window = asked[0], clock()
        self.wall_s = self.window[1] - self.window[0]

    @property
    def waits_s(self) -> list[float]:
        """Host time in next() of each step."""
        return [came - asked for asked, came in zip(self._asked[:-1], self._came[:-1], strict=True)]

    @property
    def wait_s(self) -> float:
        """All host time in next(), the one that found the end included."""
        return sum(came - asked for asked, came in zip(self._asked, self._came, strict=True))

    @property
    def steps_s(self) -> list[float]:
        """From each request to the following one."""
        return [after - before for before, after in zip(self._asked[:-1], self._asked[1:], strict=True)]


def _no_span(_name: str) -> contextlib.AbstractContextManager[object]:
    return _NOTHING


_NOTHING: contextlib.AbstractContextManager[object] = contextlib.nullcontext()


def _find_span() -> Any:
    """NVTX ranges where the nvtx package is there; they cost little while nobody records them."""
    try:
        import nvtx
    except ImportError:
        return _no_span
    colours = {
        "next": "orange",
        "forward": "green",
        "backward": "blue",
        "optimizer": "purple",
        "evaluate": "gray",
    }

    def named(name: str) -> Any:
        return nvtx.annotate(name, domain=DOMAIN, color=colours.get(name, "white"))

    return named


span = _find_span()
"""span(name) -> context manager: an NVTX range in the domain `feedrate`."""
