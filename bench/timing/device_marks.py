"""CUDA events around each next(). They show when the device finished one step and could begin the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class DeviceMarks:
    """Pairs of CUDA events on the consumer's stream, one before and one after each next().

    The first event of a pair marks when the device finished a step, and the second when it could begin the next one.
    """

    def __init__(self, device: str) -> None:
        import torch

        self._stream = torch.cuda.current_stream(torch.device(device))
        self._event = torch.cuda.Event
        self._base = self._event(enable_timing=True)  # type: ignore[no-untyped-call]
        self._events: list[Any] = []
        self._used = 0

    def begin(self) -> None:
        """Record the event from which device time is counted, and reuse all events. The device must be idle."""
        self._used = 0
        self._base.record(self._stream)

    def add(self) -> None:
        """Record the next event on the consumer's stream."""
        if self._used == len(self._events):
            self._events.append(self._event(enable_timing=True))  # type: ignore[no-untyped-call]
        self._events[self._used].record(self._stream)
        self._used += 1

    def gaps_s(self, begun_s: float) -> Sequence[tuple[float, float]]:
        """Return (start, end) of each gap between steps, in host seconds. Call it after synchronising the device.

        begun_s: host time of begin(). The clocks of host and device are aligned at that moment.
        Event times have a resolution of about 0.5 us (CUDA's documentation of cudaEventElapsedTime).
        """
        times = [begun_s + self._base.elapsed_time(event) / 1e3 for event in self._events[: self._used]]
        return list(zip(times[::2], times[1::2], strict=True))
