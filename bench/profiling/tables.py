"""Pure functions that turn recorded events into a profile's tables."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from typing import TypeVar

from feedrate.bench.profiling.events import Copy, Events, Innermost, Kernel, Range, Span
from feedrate.bench.profiling.intervals import Interval, clipped, gaps, length, overlap_length, union
from feedrate.bench.results.profiles.names import shortened
from feedrate.bench.results.profiles.record import CallRow, CopyRow, GapRow, RangeRow
from feedrate.bench.results.range_names import BATCH, UNITS

AnySpan = TypeVar("AnySpan", bound=Span)

LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch", "cuGraphLaunch", "cudaLaunchCooperativeKernel")
"""Prefixes of calls that launch work on the device."""
WAITS = ("cudaDeviceSynchronize", "cudaStreamSynchronize", "cudaEventSynchronize", "cuCtxSynchronize", "cuStreamSynchronize",
         "cuEventSynchronize", "cudaMemcpy", "cudaFree", "cudaMalloc")  # fmt: skip
"""Prefixes of calls that wait for the device. Their asynchronous variants contain "Async"."""
MAX_ROWS = 20
"""Limit for the rows of a table."""


def device_busy(events: Events) -> tuple[float | None, float | None]:
    """Return the fractions of the window with kernels, and with kernels or copies. None without a device."""
    if not events.kernels:
        return None, None
    window_s = events.window[1] - events.window[0]
    kernels = _union(events.kernels, events.window)
    device = _union((*events.kernels, *events.copies), events.window)
    return length(kernels) / window_s, length(device) / window_s


def range_rows(events: Events) -> tuple[RangeRow, ...]:
    """Return a row for each name and thread of the ranges that begin in the window.

    A range's device time is that of the work launched within it. Launches from threads without ranges, such as
    autograd's in backward, count for the consumer's thread.
    """
    device = _device_by_launch(events)
    threads = {span.thread for span in events.ranges}
    launches: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for call in events.calls:
        if call.correlation in device:
            thread = call.thread if call.thread in threads else events.main_thread
            launches[thread].append((call.start_s, call.correlation))
    for calls in launches.values():
        calls.sort()
    groups: dict[tuple[str, str], list[Range]] = defaultdict(list)
    for span in _begun_in((*events.ranges, *events.workers), events.window):
        groups[span.name, span.thread].append(span)
    rows = []
    for (name, thread), spans in groups.items():
        busy = None
        if events.kernels and name != BATCH:
            calls = launches.get(thread, [])
            starts = [start for start, _ in calls]
            launched = (
                device[correlation]
                for span in spans
                for _, correlation in calls[bisect_right(starts, span.start_s) : bisect_right(starts, span.end_s)]
            )
            busy = length(union(launched))
        seconds = sum(span.seconds for span in spans)
        amounts = [span.payload for span in spans if span.payload is not None]
        amount = sum(amounts) if amounts and UNITS.get(name) in ("rows", "bytes") else None
        rows.append(RangeRow(name=name, thread=thread, count=len(spans), seconds=seconds, device_s=busy, amount=amount))
    return tuple(sorted(rows, key=lambda row: (row.thread, -row.seconds)))


def copy_rows(events: Events) -> tuple[CopyRow, ...]:
    """Return a row for each kind of copy that begins in the window, split by pageable and pinned memory."""
    kernels = _union(events.kernels, events.window)
    groups: dict[tuple[str, bool], list[Copy]] = defaultdict(list)
    for copy in _begun_in(events.copies, events.window):
        groups[copy.kind, copy.pageable].append(copy)
    return tuple(
        CopyRow(
            kind=kind,
            pageable=pageable,
            count=len(copies),
            nbytes=sum(copy.nbytes for copy in copies),
            seconds=sum(copy.seconds for copy in copies),
            overlapped_s=overlap_length(union((copy.start_s, copy.end_s) for copy in copies), kernels),
        )
        for (kind, pageable), copies in sorted(groups.items())
    )


def gap_rows(events: Events) -> tuple[GapRow, ...]:
    """Return the device's idle time, grouped by the range and CUDA call open on the consumer's thread.

    Each gap counts for what was open in its middle. Only the MAX_ROWS longest groups are kept.
    """
    if not events.kernels:
        return ()
    idle = gaps(_union((*events.kernels, *events.copies), events.window), events.window)
    ranges = Innermost([span for span in events.ranges if span.thread == events.main_thread])
    calls = Innermost([span for span in events.calls if span.thread == events.main_thread])
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for start, end in idle:
        middle = (start + end) / 2
        groups[ranges.at(middle), calls.at(middle)].append(end - start)
    rows = [
        GapRow(within=within, call=call, count=len(durations), seconds=sum(durations))
        for (within, call), durations in groups.items()
    ]
    return tuple(sorted(rows, key=lambda row: -row.seconds)[:MAX_ROWS])


def steps(events: Events) -> int:
    """Return the number of steps that begin in the window on the consumer's thread."""
    return sum(
        span.name == "step" and span.thread == events.main_thread for span in _begun_in(events.ranges, events.window)
    )


def launches(events: Events) -> int:
    """Return the number of launches in the window, from all threads."""
    return sum(call.name.startswith(LAUNCHES) for call in _begun_in(events.calls, events.window))


def synchronisations(events: Events) -> tuple[CallRow, ...]:
    """Return the calls of the consumer's thread that wait for the device, by name.

    The last step's end is the limit, because the harness itself waits after it.
    """
    last = max((span.end_s for span in events.ranges if span.thread == events.main_thread), default=0.0)
    waiting = [
        call
        for call in _begun_in(events.calls, (events.window[0], last))
        if call.thread == events.main_thread and call.name.startswith(WAITS) and "Async" not in call.name
    ]
    return _by_name(waiting)


def kernel_rows(events: Events) -> tuple[CallRow, ...]:
    """Return the kernels in the window that took the most time, by name."""
    return _by_name(_begun_in(events.kernels, events.window))


def _device_by_launch(events: Events) -> dict[int, Interval]:
    """Return the device interval of each launch, by correlation. A graph spans its first to its last kernel."""
    intervals: dict[int, Interval] = {}
    work: tuple[Kernel | Copy, ...] = (*events.kernels, *events.copies)
    for span in work:
        if span.correlation:
            start, end = intervals.get(span.correlation, (span.start_s, span.end_s))
            intervals[span.correlation] = min(start, span.start_s), max(end, span.end_s)
    return intervals


def _union(spans: Iterable[Span], window: Interval) -> list[Interval]:
    return union(clipped(((span.start_s, span.end_s) for span in spans), window))


def _begun_in(spans: Iterable[AnySpan], window: Interval) -> list[AnySpan]:
    return [span for span in spans if window[0] <= span.start_s <= window[1]]


def _by_name(spans: Iterable[Span]) -> tuple[CallRow, ...]:
    groups: dict[str, list[float]] = defaultdict(list)
    for span in spans:
        groups[span.name].append(span.seconds)
    rows = [
        CallRow(name=shortened(name), count=len(durations), seconds=sum(durations))
        for name, durations in groups.items()
    ]
    return tuple(sorted(rows, key=lambda row: -row.seconds)[:MAX_ROWS])
