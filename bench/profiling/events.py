"""Recorded events, independent of the profiler: device work, ranges on threads, and CUDA calls.

All times are seconds of one clock, whose zero is arbitrary.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

LOOK_BACK = 64
"""Spans before a moment that Innermost looks at. Nesting is far less deep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An interval with a name."""

    name: str
    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """Duration of the span."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel(Span):
    """A kernel, or a whole CUDA graph, on the device."""

    correlation: int = 0
    """Matches the Call that launched it. 0 if unknown."""
    stream: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Span):
    """A memory copy or fill on the device."""

    kind: str
    """"host to device", "device to host", "device to device", "fill" or "other"."""
    nbytes: int
    pageable: bool = False
    """Whether the memory on the host's side was not pinned."""
    correlation: int = 0
    """Matches the Call that launched it. 0 if unknown."""
    stream: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Range(Span):
    """A range that NVTX or record_function opened on a thread."""

    thread: str
    payload: int | None = None
    """Amount in the unit that range_names.UNITS gives. None without a payload: record_function never has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Span):
    """A call to CUDA's runtime or driver, on a thread."""

    thread: str
    correlation: int = 0
    """Matches the device work that the call launched. 0 if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function(Span):
    """An operator of torch, on a thread of the host. Operators nest."""

    thread: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Everything that a profiler recorded."""

    kernels: tuple[Kernel, ...] = ()
    copies: tuple[Copy, ...] = ()
    ranges: tuple[Range, ...] = ()
    calls: tuple[Call, ...] = ()
    functions: tuple[Function, ...] = ()
    """Empty for nsys, which does not know torch's operators."""
    workers: tuple[Range, ...] = ()
    """Batches that worker processes made, on the clock of the other events. `thread` names the worker."""
    main_thread: str = ""
    """Name of the consumer's thread."""
    window: tuple[float, float] = field(default=(0.0, 0.0))
    """Part of the recording that the tables cover: see window_of."""


class Innermost:
    """Finds the span of a thread that is open at a moment. Of nested spans, the one that began last counts."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = sorted(spans, key=lambda span: span.start_s)
        self._starts = [span.start_s for span in self._spans]

    def at(self, moment: float) -> str:
        """Return the name of the innermost open span. Empty if none is open."""
        last = bisect_right(self._starts, moment) - 1
        for span in self._spans[max(last - LOOK_BACK, 0) : last + 1][::-1]:
            if span.end_s >= moment:
                return span.name
        return ""


def window_of(
    ranges: Iterable[Range], work: Sequence[Kernel | Copy], calls: Iterable[Call], main_thread: str
) -> tuple[float, float]:
    """Return the (start, end) of the window to analyse, in seconds.

    It starts when the first step ends on the host, because a profiler starts up in that step (nsys takes 70 ms). It
    ends when the device has finished the work that was launched before the last step ended.

    At the start of the window, the device is still busy with the first step. If the device is the limit, a step
    therefore looks longer, by up to its own length divided by the number of steps.
    """
    loop = [span for span in ranges if span.thread == main_thread and span.name in ("next", "step")]
    steps = [span for span in loop if span.name == "step"]
    if not loop:
        return 0.0, 0.0
    begin, last = min(span.start_s for span in loop), max(span.end_s for span in loop)
    launched = {call.correlation: call.start_s for call in calls if call.correlation}
    done = (span.end_s for span in work if launched.get(span.correlation, span.start_s) <= last)
    return steps[0].end_s if len(steps) > 1 else begin, max([last, *done])
