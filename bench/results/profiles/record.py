"""A profile as it is written down: profile.json, beside the run it explains. Explains, and never gives the headline number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from feedrate.bench.results.record import EpochRecord
from feedrate.bench.results.spec import TrialSpec

Profiler = Literal["nsys", "torch"]


def settings(spec: TrialSpec) -> str:
    """What a step depends on, beside the loader."""
    model = spec.model
    return f"batch {spec.batch_size:,}, {model.step} step, layers of {'-'.join(map(str, model.hidden))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeRow:
    """A range by name and thread, over the window."""

    name: str
    thread: str
    count: int
    seconds: float
    """Host time; ranges within ranges count in both."""
    device_s: float | None
    """Union of the device work that was launched in it; None without a device."""
    amount: int | None = None
    """Sum of their payloads: rows of decode and shuffle, bytes of copies; None where they have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRow:
    kind: str
    pageable: bool
    count: int
    nbytes: int
    seconds: float
    overlapped_s: float
    """Of these seconds, while a kernel ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow:
    """Time in which the device did nothing, by what the consumer's thread was in."""

    within: str
    """Innermost range; empty: none."""
    call: str
    """To CUDA, that was open; empty: none."""
    count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    name: str
    count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A piece of the timeline."""

    row: str
    """A thread's name, or "device: kernels", "device: copies"."""
    name: str
    start_s: float
    """Since the timeline began."""
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    spec: TrialSpec
    profiler: Profiler
    version: str
    """Of the profiler."""
    steps: int
    """In the window: all that were recorded but the first."""
    rows: int
    window_s: float
    epoch: EpochRecord | None
    """The harness's own clocks over these steps and the one before them: waits and CPU times."""
    cores: int
    kernel_busy_fraction: float | None
    """Union of kernels over the window; None without a device."""
    device_busy_fraction: float | None
    """The same of kernels and copies."""
    ranges: tuple[RangeRow, ...]
    copies: tuple[CopyRow, ...] = ()
    gaps: tuple[GapRow, ...] = ()
    launches_per_step: float | None = None
    synchronisations: tuple[CallRow, ...] = ()
    """Calls in the window that wait for the device, on the consumer's thread, but for those of the harness at its ends."""
    kernels: tuple[CallRow, ...] = ()
    """Those that took the most time."""
    timeline: tuple[Bar, ...] = ()
    """Some steps of it."""
    notes: tuple[str, ...] = ()
    options: Mapping[str, str] | None = None
