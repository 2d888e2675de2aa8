"""The data of profile.json, which lies beside the run that it explains.

A profile explains a result. It never gives the headline number, because recording costs time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from feedrate.bench.results.record import EpochRecord
from feedrate.bench.results.spec import TrialSpec

Profiler = Literal["nsys", "torch"]


def settings(spec: TrialSpec) -> str:
    """Describe what the duration of a step depends on besides the loader, for people."""
    model = spec.model
    task = "" if model.task == "mlp" else f"task {model.task}, "
    return f"{task}batch {spec.batch_size:,}, {model.step} step, layers of {'-'.join(map(str, model.hidden))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeRow:
    """All ranges of one name on one thread, within the window."""

    name: str
    thread: str
    count: int
    seconds: float
    """Host time. Nested ranges count in both rows."""
    device_s: float | None
    """Union of the device work that was launched within the ranges. None without a device."""
    amount: int | None = None
    """Sum of the payloads: rows for decode and shuffle, bytes for copies. None without payloads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRow:
    """All copies of one kind within the window."""

    kind: str
    """"host to device", "device to host", "device to device", "fill" or "other"."""
    pageable: bool
    """Whether the memory on the host's side was not pinned."""
    count: int
    nbytes: int
    seconds: float
    overlapped_s: float
    """The part of `seconds` during which a kernel ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow:
    """Idle time of the device while the consumer's thread was in one range and CUDA call."""

    within: str
    """Innermost open range. Empty if none was open."""
    call: str
    """CUDA call in progress. Empty if there was none."""
    count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """All CUDA calls, or all kernels, of one name."""

    name: str
    count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of the timeline."""

    row: str
    """A thread's name, "device: kernels" or "device: copies"."""
    name: str
    start_s: float
    """Seconds since the timeline began."""
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A recording of some training steps of one loader, reduced to tables."""

    spec: TrialSpec
    profiler: Profiler
    version: str
    """Version of the profiler."""
    steps: int
    """Steps in the window, which leaves out the first recorded step."""
    rows: int
    """Rows in these steps."""
    window_s: float
    epoch: EpochRecord | None
    """Waits and CPU times by the harness's own clocks, over these steps and the one before them."""
    cores: int
    """CPU cores that the process may use."""
    kernel_busy_fraction: float | None
    """Union of kernel times over the window. None without a device."""
    device_busy_fraction: float | None
    """Union of kernel and copy times over the window. None without a device."""
    ranges: tuple[RangeRow, ...]
    copies: tuple[CopyRow, ...] = ()
    gaps: tuple[GapRow, ...] = ()
    launches_per_step: float | None = None
    synchronisations: tuple[CallRow, ...] = ()
    """Calls of the consumer's thread that wait for the device. The harness's own at the ends do not count."""
    kernels: tuple[CallRow, ...] = ()
    """The kernels that took the most time."""
    timeline: tuple[Bar, ...] = ()
    """A few steps from the middle."""
    notes: tuple[str, ...] = ()
    options: Mapping[str, str] | None = None
    """The loader's options with their values, as text."""
