"""The data of profile.json, which lies beside the run that it explains.

A profile explains a result. It never gives the headline number, because recording costs time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta

from feedrate.bench.results.bounds import Cores, Count, Seconds, Share
from feedrate.bench.results.record import EpochRecord
from feedrate.bench.results.spec import TrialSpec

Profiler = Literal["nsys", "torch"]


def settings(spec: TrialSpec, rank: int = 0) -> str:
    """Describe what the duration of a step depends on besides the loader, for people. rank: that was recorded."""
    model = spec.model
    task = "" if model.task == "mlp" else f"task {model.task}, "
    ranks = f"rank {rank} of {spec.ranks}, " if spec.ranks > 1 else ""
    return f"{ranks}{task}batch {spec.batch_size:,}, {model.step} step, layers of {'-'.join(map(str, model.hidden))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeRow:
    """All ranges of one name on one thread, within the window."""

    name: str
    thread: str
    count: Count
    seconds: Seconds
    """Host time. Nested ranges count in both rows."""
    device_s: Seconds | None
    """Union of the device work that was launched within the ranges. None without a device."""
    amount: Count | None = None
    """Sum of the payloads: rows for decode and shuffle, bytes for copies. None without payloads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRow:
    """All copies of one kind within the window."""

    kind: str
    """"host to device", "device to host", "device to device", "fill" or "other"."""
    pageable: bool
    """Whether the memory on the host's side was not pinned."""
    count: Count
    nbytes: Count
    seconds: Seconds
    overlapped_s: Seconds
    """The part of `seconds` during which a kernel ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow:
    """Idle time of the device while the consumer's thread was in one range and CUDA call."""

    within: str
    """Innermost open range. Empty if none was open."""
    call: str
    """CUDA call in progress. Empty if there was none."""
    count: Count
    seconds: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """All CUDA calls, or all kernels, of one name."""

    name: str
    count: Count
    seconds: Seconds


PARTS = ("next", "forward", "backward", "optimizer", "step", "other")
"""Parts of a step. step: the rest of it. other: other threads, and the consumer's between two ranges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """Kernels or host functions of one name in one part of the step, over all steps of the window."""

    part: str
    """One of PARTS."""
    kind: Literal["kernel", "function"]
    """"kernel": device work, in the part that launched it. "function": torch's operators and CUDA calls on the host."""
    name: str
    """Empty for the sum of all names that the record leaves out."""
    count: Count
    seconds: Seconds
    """Time on the device for kernels. Time without called functions ("self time") for host functions."""


LaneKind = Literal["ranges", "functions", "calls", "kernels", "copies", "worker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Bars of one thread, worker or stream in the timeline. `name`, `start_s`, `seconds` and others have one entry a bar.

    A lane keeps the MAX_BARS longest bars. The others are counted in left_out and left_out_s.
    """

    title: str
    """A thread's, worker's or stream's name, such as "main", "worker 1" or "stream 7"."""
    kind: LaneKind
    """functions: torch's operators. calls: CUDA calls. worker: batches made by a DataLoader's worker process."""
    names: tuple[str, ...]
    """Distinct names of the bars, cut in the middle if they are long."""
    name: tuple[int, ...]
    """Position in `names`."""
    start_s: tuple[float, ...]
    """Seconds since the timeline began, ascending."""
    seconds: tuple[float, ...]
    link: tuple[int, ...] = ()
    """Number shared by a call and the work that it launched. 0 without one. Empty if no bar has one."""
    part: tuple[int, ...] = ()
    """Position in PARTS of the part that launched the work. Only for kernels and copies."""
    launched_s: tuple[float | None, ...] = ()
    """When the call that launched the work began, in seconds since the timeline began. Negative if that was before."""
    nbytes: tuple[int, ...] = ()
    """Bytes of each copy. Only for copies."""
    left_out: Count = 0
    left_out_s: Seconds = 0.0

    def __post_init__(self) -> None:
        bars = len(self.name)
        per_bar = (self.start_s, self.seconds, *filter(None, (self.link, self.part, self.launched_s, self.nbytes)))
        if any(len(values) != bars for values in per_bar):
            raise ValueError(f"lane {self.title} has {bars} bars, but not as many values of each kind")
        _require_positions("name", self.name, len(self.names))
        _require_positions("part", self.part, len(PARTS))


def _require_positions(name: str, positions: tuple[int, ...], count: int) -> None:
    """Raise ValueError unless all are positions in a sequence of `count` items."""
    wrong = next((position for position in positions if not 0 <= position < count), None)
    if wrong is not None:
        raise ValueError(f"{name} holds {wrong}, but there are only {count} to choose from")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMark:
    """The begin of a step in the timeline: the consumer asks for its batch."""

    number: Count
    """Counted from 0, the first recorded step, which the tables leave out."""
    start_s: float
    """Seconds since the timeline began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flame:
    """CPU samples of one thread or process as a tree of functions, in depth-first order."""

    who: str
    """"consumer", a thread of its process, or "worker 1"."""
    names: tuple[str, ...]
    """Functions as "name (file)". The first is the root, whose name is empty."""
    depth: tuple[int, ...]
    """Depth of each node in the tree. 0 for the root."""
    name: tuple[int, ...]
    """Position in `names`, for each node."""
    samples: tuple[int, ...]
    """Samples of each node, those of the functions that it called included."""
    left_out: Count = 0
    """Nodes left out, because they have few samples. Their samples still count in the nodes above them."""

    def __post_init__(self) -> None:
        if not len(self.depth) == len(self.name) == len(self.samples) > 0:
            raise ValueError(
                f"flame graph of {self.who} must have as many depths and names as samples, and at least one"
            )
        if self.depth[0] or any(not 0 < depth <= before + 1 for before, depth in pairwise(self.depth)):
            raise ValueError(f"flame graph of {self.who} has depths that are not those of a tree")
        _require_positions("name", self.name, len(self.names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of the timeline, as records had them before 2026-12. Newer ones have lanes."""

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
    rank: Count = 0
    """The rank that was recorded, if several trained together."""
    profiler: Profiler
    version: str
    """Version of the profiler."""
    steps: Count
    """Steps in the window, which leaves out the first recorded step."""
    rows: Count
    """Rows in these steps."""
    window_s: Annotated[float, Meta(ge=1e-9)]
    epoch: EpochRecord | None
    """Waits and CPU times by the harness's own clocks, over these steps and the one before them."""
    cores: Cores
    """CPU cores that the process may use."""
    kernel_busy_fraction: Share | None
    """Union of kernel times over the window. None without a device."""
    device_busy_fraction: Share | None
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
    """A few steps from the middle, in records without lanes."""
    parts: tuple[PartRow, ...] = ()
    """Top kernels and host functions in each part of the step."""
    lanes: tuple[Lane, ...] = ()
    """A few steps from the middle."""
    lanes_left_out: Count = 0
    """Lanes of further threads and workers, which are left out because there are too many."""
    marks: tuple[StepMark, ...] = ()
    """Where the steps of the lanes begin."""
    flames: tuple[Flame, ...] = ()
    """CPU samples of the consumer, its threads and workers. Empty without py-spy."""
    sample_hz: Count | None = None
    """Samples a second and thread in `flames`."""
    notes: tuple[str, ...] = ()
    options: Mapping[str, str] | None = None
    """The loader's options with their values, as text."""

    @property
    def title(self) -> str:
        """The loader, and the rank that was recorded if it is not the first."""
        return f"{self.spec.loader}, rank {self.rank}" if self.rank else self.spec.loader
