"""Assigns kernels and host functions to the parts of the step, and keeps the costliest of each part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from feedrate.bench.profiling.events import Call, Events, Function, Innermost
from feedrate.bench.results.profiles.names import shortened
from feedrate.bench.results.profiles.record import PARTS, PartRow

*CONSUMER, OTHER = PARTS
MAX_ROWS = 8
"""Names that each part keeps of each kind. One more row sums up all others."""
AUTOGRAD = "autograd::engine"
"""Prefix of the operators that only autograd's threads and the caller of backward run."""


def part_rows(events: Events) -> tuple[PartRow, ...]:
    """Return the top kernels and host functions of each part of the step, over the window.

    A kernel belongs to the part that launched it. Threads of autograd count for the consumer, whose backward they run.
    All other threads are "other".
    """
    part_at = PartOf(events)
    times: dict[tuple[str, Literal["kernel", "function"]], dict[str, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    launches = {call.correlation: call for call in events.calls if call.correlation}
    begin, end = events.window
    last = max((span.end_s for span in events.ranges if span.thread == events.main_thread), default=end)
    for kernel in events.kernels:
        if begin <= kernel.start_s <= end:
            part = part_at(launches.get(kernel.correlation))
            times[part, "kernel"][shortened(kernel.name)].append(kernel.seconds)
    for span, self_s in _self_times(events):
        if begin <= span.start_s <= last:  # afterwards, the harness itself waits for the device
            times[part_at(span), "function"][shortened(span.name)].append(self_s)
    groups = sorted(times.items(), key=lambda item: (PARTS.index(item[0][0]), item[0][1] != "kernel"))
    return tuple(row for (part, kind), names in groups for row in _top(part, kind, names))


def _top(part: str, kind: Literal["kernel", "function"], names: dict[str, list[float]]) -> Iterator[PartRow]:
    ranked = sorted(names.items(), key=lambda item: -sum(item[1]))
    for name, seconds in ranked[:MAX_ROWS]:
        yield PartRow(part=part, kind=kind, name=name, count=len(seconds), seconds=sum(seconds))
    rest = [value for _, seconds in ranked[MAX_ROWS:] for value in seconds]
    if rest:
        yield PartRow(part=part, kind=kind, name="", count=len(rest), seconds=sum(rest))


class PartOf:
    """Maps a call or function to the part of the step in which the consumer was when it began."""

    def __init__(self, events: Events) -> None:
        main = events.main_thread
        self._consumer = Innermost(span for span in events.ranges if span.thread == main and span.name in CONSUMER)
        if events.functions:
            helpers = {function.thread for function in events.functions if function.name.startswith(AUTOGRAD)}
        else:  # nsys does not name autograd's threads, but they have no ranges
            helpers = {call.thread for call in events.calls} - {span.thread for span in events.ranges}
        self._threads = {main, *helpers}

    def __call__(self, span: Call | Function | None) -> str:
        """Return one of PARTS. span: None if it was not recorded."""
        if span is None or span.thread not in self._threads:
            return OTHER
        return self._consumer.at(span.start_s) or OTHER


def _self_times(events: Events) -> Iterator[tuple[Call | Function, float]]:
    """Yield every call and function with the time that it did not spend in calls and functions within it."""
    threads: dict[str, list[Call | Function]] = defaultdict(list)
    for span in _host_spans(events):
        threads[span.thread].append(span)
    for spans in threads.values():
        spans.sort(key=lambda span: (span.start_s, -span.end_s))
        yield from zip(spans, _without_nested(spans), strict=True)


def _host_spans(events: Events) -> Iterable[Call | Function]:
    return (*events.functions, *events.calls)


def _without_nested(spans: Sequence[Call | Function]) -> list[float]:
    """Return the self time of each span. spans: those of one thread, outer ones before the ones within them."""
    seconds = [span.seconds for span in spans]
    open_spans: list[int] = []
    for index, span in enumerate(spans):
        while open_spans and spans[open_spans[-1]].end_s <= span.start_s:
            open_spans.pop()
        if open_spans:
            outer = open_spans[-1]
            seconds[outer] = max(seconds[outer] - (min(span.end_s, spans[outer].end_s) - span.start_s), 0.0)
        open_spans.append(index)
    return seconds
