"""Explains a profile: its causes, and how busy each source says the device was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from feedrate.bench.results.profiles.diagnosis import Finding, diagnose
from feedrate.bench.results.profiles.record import Profile
from feedrate.bench.results.record import TrialResult


@dataclass(frozen=True, slots=True)
class Busy:
    """How busy the device was, according to one source."""

    source: str
    """Describes the measurement."""
    share: float
    """Fraction of the time, or of the device's maximum, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A profile with its diagnosis."""

    profile: Profile
    findings: tuple[Finding, ...]
    """The causes, costliest first."""
    busy: tuple[Busy, ...]
    """The sources measure different things, so they differ.

    NVML counts time with any kernel, GPM counts SMs that had a warp, and a profiler counts the union of kernel times.
    """


def explain(profile: Profile, trial: TrialResult | None = None) -> Explained:
    """Diagnose a profile. trial: a trial of the same loader that ran without a profiler, if there is one."""
    return Explained(profile, tuple(diagnose(profile, trial)), tuple(_busy(profile, trial)))


def _busy(profile: Profile, trial: TrialResult | None) -> Iterator[Busy]:
    recorder = f"{profile.profiler} {profile.version}"
    gpu = trial.gpu if trial else None
    gpm = gpu.gpm if gpu else None
    shares = {
        f"kernels, recorded by {recorder}": profile.kernel_busy_fraction,
        f"kernels and copies, recorded by {recorder}": profile.device_busy_fraction,
        "NVML utilization.gpu, during the run": gpu.busy_fraction if gpu else None,
        "NVML GPM, SMs with a warp, during the run": gpm.sm_active if gpm else None,
        "NVML GPM, warps out of the maximum (occupancy), during the run": gpm.sm_occupancy if gpm else None,
        "NVML GPM, bandwidth of device memory, during the run": gpm.dram_active if gpm else None,
    }
    yield from (Busy(source, share) for source, share in shares.items() if share is not None)
