"""What a profiler recorded, whichever it was: device work, ranges of threads and calls to CUDA, in seconds of one clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that took time."""

    name: str
    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel(Span):
    """On the device; `correlation` is its launch's, 0 where that is not known."""

    correlation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Span):
    kind: str
    """host to device, device to host, device to device, or fill."""
    nbytes: int
    pageable: bool = False
    """Whether the host's side was not pinned."""
    correlation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Range(Span):
    """Of NVTX or record_function, on a thread."""

    thread: str
    payload: int | None = None
    """What ranges.UNITS says; record_function has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Span):
    """To CUDA's runtime or driver, on a thread."""

    thread: str
    correlation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    kernels: tuple[Kernel, ...] = ()
    copies: tuple[Copy, ...] = ()
    ranges: tuple[Range, ...] = ()
    calls: tuple[Call, ...] = ()
    main_thread: str = ""
    """The consumer's."""
    window: tuple[float, float] = field(default=(0.0, 0.0))
    """What is looked at: see window_of."""


def window_of(
    ranges: Iterable[Range], work: Sequence[Kernel | Copy], calls: Iterable[Call], main: str
) -> tuple[float, float]:
    """From the end of the first step on the host, in which a profiler starts up (70 ms of nsys), until the work that was launched
    within the last one is done. The device is still at the first step's work when it begins: with few steps of a busy device that
    makes a step look longer, by up to its own length over their number.
    """
    own = [span for span in ranges if span.thread == main and span.name in ("next", "step")]
    steps = [span for span in own if span.name == "step"]
    if not own:
        return 0.0, 0.0
    begin, last = min(span.start_s for span in own), max(span.end_s for span in own)
    launched = {call.correlation: call.start_s for call in calls if call.correlation}
    done = (span.end_s for span in work if launched.get(span.correlation, span.start_s) <= last)
    return steps[0].end_s if len(steps) > 1 else begin, max([last, *done])
