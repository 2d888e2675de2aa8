"""Samples one device through NVML, from outside the trial's process, and summarizes the samples over timed windows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, TypeVar

from feedrate.bench.host.gpm import Gpm
from feedrate.bench.results.gpu_record import GpmValues, GpuRecord

Value = TypeVar("Value")

THROTTLE_REASONS = {
    0x0000000000000004: "software power cap",
    0x0000000000000008: "hardware slowdown",
    0x0000000000000020: "software thermal slowdown",
    0x0000000000000040: "hardware thermal slowdown",
    0x0000000000000080: "hardware power brake",
}
"""The nvmlClocksEventReasons that slow the device down. Idling and clocks that the user has set do not count."""


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One reading of a device. Values that the device does not report are None."""

    at: float
    """Time of the sample, in seconds of timing.now()."""
    busy_fraction: float | None
    """NVML's utilization.gpu, 0 to 1."""
    sm_clock_hz: float | None
    power_w: float | None
    temperature_c: float | None
    energy_j: float | None
    """Reading of an energy counter that started at an arbitrary time. Only differences mean anything."""
    used_bytes: int | None
    reasons: int
    """NVML's bit mask of throttle reasons. 0 if the device does not report it."""
    since: float | None = None
    """Start of the interval over which `gpm` is a mean, in seconds of timing.now()."""
    gpm: GpmValues | None = None


@dataclass(slots=True)
class NvmlDevice:
    """NVML's handle of one CUDA device."""

    nvml: Any
    handle: Any
    gpm: Gpm | None = None
    _last_gpm_at: float | None = None

    @classmethod
    def open(cls, device: str) -> NvmlDevice | None:
        """Open the device of a torch device string such as "cuda:1", following CUDA_VISIBLE_DEVICES.

        Returns None for the CPU, without nvidia-ml-py, or if NVML cannot identify the device (MIG).
        """
        if device == "cpu":
            return None
        try:
            import pynvml  # pyright: ignore[reportMissingImports]
        except ImportError:
            return None
        number = int(device.partition(":")[2] or 0)
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        name = visible[number] if number < len(visible) else str(number)
        try:
            pynvml.nvmlInit()
            by_number = name.isdigit()
            handle = (
                pynvml.nvmlDeviceGetHandleByIndex(int(name)) if by_number else pynvml.nvmlDeviceGetHandleByUUID(name)
            )
        except pynvml.NVMLError:
            return None
        return cls(pynvml, handle, Gpm.of(pynvml, handle))

    def close(self) -> None:
        """Free the GPM buffers. Safe to call twice."""
        if self.gpm is not None:
            self.gpm.close()
            self.gpm = None

    def sample(self, at: float) -> GpuSample:
        """Read every value that the device reports. at: the current timing.now(), in seconds."""
        nvml, handle = self.nvml, self.handle
        gpm = self._query(self.gpm.read) if self.gpm is not None else None
        since = self._last_gpm_at
        if gpm is not None:  # otherwise the next GPM reading covers this interval, too
            self._last_gpm_at = at
        return GpuSample(
            at=at,
            busy_fraction=self._query(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100),
            sm_clock_hz=self._query(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM) * 1e6),
            power_w=self._query(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1e3),
            temperature_c=self._query(lambda: float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))),
            energy_j=self._query(lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3),
            used_bytes=self._query(lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).used)),
            reasons=self._query(lambda: int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))) or 0,
            since=since,
            gpm=gpm,
        )

    def max_sm_clock_hz(self) -> float | None:
        """Return the highest SM clock of the device in Hz, or None if NVML does not report it."""
        return self._query(lambda: self.nvml.nvmlDeviceGetMaxClockInfo(self.handle, self.nvml.NVML_CLOCK_SM) * 1e6)

    def _query(self, read: Callable[[], Value]) -> Value | None:
        try:
            return read()
        except self.nvml.NVMLError:
            return None


def summary(
    samples: Sequence[GpuSample],
    windows: Sequence[tuple[float, float]],
    *,
    period_s: float,
    sm_clock_max_hz: float | None,
) -> GpuRecord | None:
    """Summarize the samples that lie within the timed windows. Returns None if there are fewer than three.

    windows: (start, end) pairs in seconds of timing.now(). period_s: time between two samples.
    """
    within = [sample for sample in samples if any(start <= sample.at <= end for start, end in windows)]
    if len(within) < 3:
        return None
    reasons = [name for bit, name in THROTTLE_REASONS.items() if any(sample.reasons & bit for sample in within)]
    temperatures = [sample.temperature_c for sample in within if sample.temperature_c is not None]
    return GpuRecord(
        samples=len(within),
        period_s=period_s,
        busy_fraction=_mean([sample.busy_fraction for sample in within]),
        sm_clock_hz=_mean([sample.sm_clock_hz for sample in within]),
        sm_clock_max_hz=sm_clock_max_hz,
        power_w=_mean([sample.power_w for sample in within]),
        temperature_c=max(temperatures, default=None),
        energy_j=energy_j(samples, windows),
        throttled=tuple(reasons),
        gpm=_gpm_within(samples, windows),
        at_s=tuple(round(sample.at - windows[0][0], 3) for sample in within),
        busy=tuple(sample.busy_fraction for sample in within),
        sm_active=tuple(sample.gpm.sm_active if sample.gpm else None for sample in within),
    )


def _gpm_within(samples: Sequence[GpuSample], windows: Sequence[tuple[float, float]]) -> GpmValues | None:
    """Return means over the GPM intervals that lie within a window, weighted by length. None without any."""
    intervals = [
        (sample.at - sample.since, sample.gpm)
        for sample in samples
        if sample.gpm is not None
        and sample.since is not None
        and any(start <= sample.since and sample.at <= end for start, end in windows)
    ]
    if not intervals:
        return None

    def mean(name: str) -> float | None:
        known = [(length, getattr(gpm, name)) for length, gpm in intervals if getattr(gpm, name) is not None]
        total = sum(length for length, _ in known)
        return sum(length * value for length, value in known) / total if total else None

    return GpmValues(**{field.name: mean(field.name) for field in fields(GpmValues)})


def energy_j(samples: Sequence[GpuSample], windows: Sequence[tuple[float, float]]) -> float | None:
    """Return the energy used during the windows in joules: the growth of the counter, interpolated between samples.

    Returns None if there is no window or if the samples do not cover one of them.
    """
    series = [(sample.at, sample.energy_j) for sample in samples if sample.energy_j is not None]
    total = 0.0
    for window in windows:
        start, end = (_interpolated(series, moment) for moment in window)
        if start is None or end is None:
            return None
        total += end - start
    return total if windows else None


def _interpolated(series: Sequence[tuple[float, float]], moment: float) -> float | None:
    for (start, low), (end, high) in pairwise(series):
        if start <= moment <= end:
            return low + (high - low) * (moment - start) / (end - start) if end > start else low
    return None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
