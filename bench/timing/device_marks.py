"""CUDA events around each next(): where the device had finished a step, and where the next could begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class DeviceMarks:
    """Pairs of CUDA events on the consumer's stream, around each next(): where the device had finished one step, and where
    it could begin the following one."""

    def __init__(self, device: str) -> None:
        import torch

        self._stream = torch.cuda.current_stream(torch.device(device))
        self._event = torch.cuda.Event
        self._base = self._event(enable_timing=True)  # type: ignore[no-untyped-call]
        self._events: list[Any] = []
        self._used = 0

    def begin(self) -> None:
        """On an idle device: the moment that device time is counted from."""
        self._used = 0
        self._base.record(self._stream)

    def add(self) -> None:
        if self._used == len(self._events):
            self._events.append(self._event(enable_timing=True))  # type: ignore[no-untyped-call]
        self._events[self._used].record(self._stream)
        self._used += 1

    def gaps_s(self, begun_s: float) -> Sequence[tuple[float, float]]:
        """Each gap between steps, in host seconds, after the device has been synchronised. Event times are good to about
        0.5 us (CUDA's documentation of cudaEventElapsedTime); host and device clocks are joined at the base."""
        times = [begun_s + self._base.elapsed_time(event) / 1e3 for event in self._events[: self._used]]
        return list(zip(times[::2], times[1::2], strict=True))
