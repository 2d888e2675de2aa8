"""The GPU's part of a record."""

from __future__ import annotations

from dataclasses import dataclass

from feedrate.bench.results.bounds import Amount, Count, Seconds, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class GpmValues:
    """Means between two samples of NVML's GPM. A value that the device does not report is None."""

    sm_active: Share | None = None
    """Share of SMs and time with a warp."""
    sm_occupancy: Share | None = None
    """Warps on the SMs, as a share of the maximum."""
    dram_active: Share | None = None
    """Bandwidth of device memory, as a share of the maximum."""
    pcie_received_bytes_per_s: Amount | None = None
    """Bytes per second that the device received."""
    pcie_sent_bytes_per_s: Amount | None = None
    """Bytes per second that the device sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuRecord:
    """The device during the timed epochs, sampled from outside the trial's process."""

    samples: Count
    period_s: Seconds
    busy_fraction: Share | None = None
    """Mean of NVML's utilization.gpu: the share of time with any kernel resident."""
    sm_clock_hz: Amount | None = None
    """Mean."""
    sm_clock_max_hz: Amount | None = None
    """The maximum of the device."""
    power_w: Amount | None = None
    """Mean."""
    temperature_c: float | None = None
    """Maximum."""
    energy_j: Amount | None = None
    """Energy of the whole device, from NVML's counter."""
    throttled: tuple[str, ...] = ()
    """NVML's clocks event reasons that held the clocks down, in words."""
    at_s: tuple[Seconds, ...] = ()
    """When the samples were taken, since the first timed epoch began."""
    busy: tuple[Share | None, ...] = ()
    """utilization.gpu at these times."""
    gpm: GpmValues | None = None
    """Means over the intervals between samples that lie in a timed epoch, from NVML's GPM; None if the device has none."""
    sm_active: tuple[Share | None, ...] = ()
    """GPM's SM activity at the same times as `busy`; None without GPM."""
