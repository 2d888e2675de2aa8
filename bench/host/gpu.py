"""NVML's view of one device, sampled from outside the trial's process."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, TypeVar

from feedrate.bench.host.gpm import Gpm
from feedrate.bench.results.record import GpmValues, GpuRecord

Value = TypeVar("Value")

HELD_DOWN = {
    0x0000000000000004: "software power cap",
    0x0000000000000008: "hardware slowdown",
    0x0000000000000020: "software thermal slowdown",
    0x0000000000000040: "hardware thermal slowdown",
    0x0000000000000080: "hardware power brake",
}
"""nvmlClocksEventReasons that mean less speed than the device could have; idle and asked-for clocks are not among them."""


@dataclass(frozen=True, slots=True)
class GpuSample:
    at: float
    """Seconds of timing.now()."""
    busy_fraction: float | None
    sm_clock_hz: float | None
    power_w: float | None
    temperature_c: float | None
    energy_j: float | None
    """Of a counter that started some time before."""
    used_bytes: int | None
    reasons: int
    since: float | None = None
    """When the stretch began over which `gpm` is the mean."""
    gpm: GpmValues | None = None


@dataclass(slots=True)
class NvmlDevice:
    """The CUDA device with this number, as NVML knows it."""

    nvml: Any
    handle: Any
    gpm: Gpm | None = None
    _before: float | None = None

    @classmethod
    def open(cls, device: str) -> NvmlDevice | None:
        """None on the CPU, without nvidia-ml-py, and where the device cannot be told apart (MIG)."""
        if device == "cpu":
            return None
        try:
            import pynvml
        except ImportError:
            return None
        number = int(device.partition(":")[2] or 0)
        visible = [word for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if word]
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
        if self.gpm is not None:
            self.gpm.close()
            self.gpm = None

    def sample(self, at: float) -> GpuSample:
        """What of it the device does not tell is None."""
        nvml, handle = self.nvml, self.handle
        gpm = self._asked(self.gpm.read) if self.gpm is not None else None
        since = self._before
        if gpm is not None:  # else the next one is of this stretch, too
            self._before = at
        return GpuSample(
            at=at,
            busy_fraction=self._asked(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100),
            sm_clock_hz=self._asked(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM) * 1e6),
            power_w=self._asked(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1e3),
            temperature_c=self._asked(lambda: float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))),
            energy_j=self._asked(lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3),
            used_bytes=self._asked(lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).used)),
            reasons=self._asked(lambda: int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))) or 0,
            since=since,
            gpm=gpm,
        )

    def greatest_sm_clock_hz(self) -> float | None:
        return self._asked(lambda: self.nvml.nvmlDeviceGetMaxClockInfo(self.handle, self.nvml.NVML_CLOCK_SM) * 1e6)

    def _asked(self, question: Callable[[], Value]) -> Value | None:
        try:
            return question()
        except self.nvml.NVMLError:
            return None


def summary(
    samples: Sequence[GpuSample],
    windows: Sequence[tuple[float, float]],
    *,
    period_s: float,
    sm_clock_max_hz: float | None,
) -> GpuRecord | None:
    """Over the timed windows; None for fewer than three samples in them."""
    within = [sample for sample in samples if any(start <= sample.at <= end for start, end in windows)]
    if len(within) < 3:
        return None
    reasons = [name for bit, name in HELD_DOWN.items() if any(sample.reasons & bit for sample in within)]
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
    """Means over the stretches that lie within a window, by their length; None without one."""
    found = [
        (sample.at - sample.since, sample.gpm)
        for sample in samples
        if sample.gpm is not None
        and sample.since is not None
        and any(start <= sample.since and sample.at <= end for start, end in windows)
    ]
    if not found:
        return None

    def mean(name: str) -> float | None:
        known = [(length, getattr(gpm, name)) for length, gpm in found if getattr(gpm, name) is not None]
        whole = sum(length for length, _ in known)
        return sum(length * value for length, value in known) / whole if whole else None

    return GpmValues(**{field.name: mean(field.name) for field in fields(GpmValues)})


def energy_j(samples: Sequence[GpuSample], windows: Sequence[tuple[float, float]]) -> float | None:
    """The counter's growth over the windows, interpolated between samples; None where a window is not covered by them."""
    series = [(sample.at, sample.energy_j) for sample in samples if sample.energy_j is not None]
    total = 0.0
    for window in windows:
        start, end = (_at(series, moment) for moment in window)
        if start is None or end is None:
            return None
        total += end - start
    return total if windows else None


def _at(series: Sequence[tuple[float, float]], moment: float) -> float | None:
    for (one, low), (two, high) in pairwise(series):
        if one <= moment <= two:
            return low + (high - low) * (moment - one) / (two - one) if two > one else low
    return None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
