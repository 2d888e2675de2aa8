"""A profile with what it shows: causes, and how busy the device was by each source that has said so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from feedrate.bench.results.profiles.diagnosis import Finding, diagnose
from feedrate.bench.results.profiles.record import Profile
from feedrate.bench.results.record import TrialResult


@dataclass(frozen=True, slots=True)
class Busy:
    source: str
    share: float
    """Of the time, or of the most there could be."""


@dataclass(frozen=True, slots=True)
class Explained:
    profile: Profile
    findings: tuple[Finding, ...]
    busy: tuple[Busy, ...]
    """They differ for a reason: NVML counts time with any kernel, GPM the SMs that had a warp, a union the kernels' own time."""


def explain(profile: Profile, trial: TrialResult | None = None) -> Explained:
    """trial: one of the same loader, without a profiler."""
    return Explained(profile, tuple(diagnose(profile, trial)), tuple(_busy(profile, trial)))


def _busy(profile: Profile, trial: TrialResult | None) -> Iterator[Busy]:
    recorder = f"{profile.profiler} {profile.version}"
    gpu = trial.gpu if trial else None
    gpm = gpu.gpm if gpu else None
    shares = {
        f"kernels, union of {recorder}": profile.kernel_busy_fraction,
        f"kernels and copies, union of {recorder}": profile.device_busy_fraction,
        "NVML utilization.gpu, in the run": gpu.busy_fraction if gpu else None,
        "NVML GPM, SMs with a warp, in the run": gpm.sm_active if gpm else None,
        "NVML GPM, warps of the most there could be, in the run": gpm.sm_occupancy if gpm else None,
        "NVML GPM, bandwidth of device memory, in the run": gpm.dram_active if gpm else None,
    }
    yield from (Busy(source, share) for source, share in shares.items() if share is not None)
