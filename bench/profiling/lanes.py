"""Turns a few steps of a recording into the lanes of the timeline, with a bounded number of bars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from feedrate.bench.profiling.events import Call, Copy, Events, Kernel, Span
from feedrate.bench.profiling.intervals import Interval
from feedrate.bench.profiling.parts import PartOf
from feedrate.bench.results.profiles.names import shortened
from feedrate.bench.results.profiles.record import PARTS, Lane, LaneKind, StepMark

TIMELINE_STEPS = 5
MAX_BARS = 1_500
"""Bars of a lane. The longest ones are kept."""
MAX_LANES = 24
ORDER: tuple[LaneKind, ...] = ("ranges", "functions", "calls", "worker", "kernels", "copies")
"""Kinds of a thread's lanes from top to bottom. Workers and streams follow the threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The timeline's fields of a profile."""

    lanes: tuple[Lane, ...]
    left_out: int
    """Number of lanes that are left out."""
    marks: tuple[StepMark, ...]


def timeline(events: Events) -> Timeline:
    """Return TIMELINE_STEPS steps from the middle: ranges, functions and calls of threads, workers, and streams."""
    steps = _steps(events)
    begin = max(len(steps) // 2 - TIMELINE_STEPS // 2, 0)
    if len(steps) > 1:
        begin = max(begin, 1)  # the profiler starts up in the first step
    chosen = steps[begin:][:TIMELINE_STEPS]
    window = (chosen[0][0], chosen[-1][1]) if chosen else events.window
    groups: dict[tuple[LaneKind, str], list[Span]] = defaultdict(list)
    for kind, title, span in _titled(events):
        if span.end_s > window[0] and span.start_s < window[1]:
            groups[kind, title].append(span)
    kept = sorted(groups, key=lambda key: _priority(key, events.main_thread, groups[key]))[:MAX_LANES]
    bars = {key: _longest(groups[key]) for key in kept}
    launches = _Launches(events, bars.values())
    lanes = [
        _lane(kind, title, bars[kind, title], groups[kind, title], window, launches)
        for kind, title in sorted(kept, key=lambda key: _position(key, events.main_thread))
    ]
    marks = [
        StepMark(number=begin + index, start_s=_rounded(start - window[0])) for index, (start, _) in enumerate(chosen)
    ]
    return Timeline(lanes=tuple(lanes), left_out=len(groups) - len(kept), marks=tuple(marks))


def _steps(events: Events) -> list[Interval]:
    """Return (start, end) of every recorded step. A step starts when the consumer asks for its batch."""
    steps: list[Interval] = []
    asked: float | None = None
    for span in sorted(events.ranges, key=lambda span: span.start_s):
        if span.thread != events.main_thread:
            continue
        if span.name == "next" and asked is None:
            asked = span.start_s
        elif span.name == "step":
            steps.append((span.start_s if asked is None else asked, span.end_s))
            asked = None
    return steps


def _titled(events: Events) -> Iterator[tuple[LaneKind, str, Span]]:
    """Yield every event with the kind and the title of its lane."""
    yield from (("ranges", span.thread, span) for span in events.ranges)
    yield from (("functions", span.thread, span) for span in events.functions)
    yield from (("calls", span.thread, span) for span in events.calls)
    yield from (("worker", span.thread, span) for span in events.workers)
    yield from (("kernels", _stream(span), span) for span in events.kernels)
    yield from (("copies", _stream(span), span) for span in events.copies)


def _stream(span: Kernel | Copy) -> str:
    return "device" if span.stream is None else f"stream {span.stream}"


def _priority(key: tuple[LaneKind, str], main: str, spans: Iterable[Span]) -> tuple[bool, float]:
    """Sort the lanes of the consumer and the device first, and others by how busy they are."""
    kind, title = key
    return title != main and kind not in ("kernels", "copies"), -sum(span.seconds for span in spans)


def _position(key: tuple[LaneKind, str], main: str) -> tuple[bool, bool, bool, str, int]:
    kind, title = key
    return kind in ("kernels", "copies"), kind == "worker", title != main, title, ORDER.index(kind)


def _longest(spans: Sequence[Span]) -> list[Span]:
    longest = sorted(spans, key=lambda span: -span.seconds)[:MAX_BARS]
    return sorted(longest, key=lambda span: (span.start_s, -span.end_s))


class _Launches:
    """Knows for work on the device which call launched it, and when and in which part of the step that was."""

    def __init__(self, events: Events, lanes: Iterable[Sequence[Span]]) -> None:
        self._calls = {call.correlation: call for call in events.calls if call.correlation}
        self._part_of = PartOf(events)
        called: dict[int, None] = {}
        worked: set[int] = set()
        for span in (span for spans in lanes for span in spans):
            if isinstance(span, Call):
                called[span.correlation] = None
            elif isinstance(span, Kernel | Copy):
                worked.add(span.correlation)
        both = (correlation for correlation in called if correlation and correlation in worked)
        self._numbers = {correlation: number for number, correlation in enumerate(both, start=1)}

    def link(self, span: Span) -> int:
        """Return the number that a call and its work share. 0 if only one of them is in the lanes."""
        return self._numbers.get(span.correlation, 0) if isinstance(span, Kernel | Copy | Call) else 0

    def part(self, work: Kernel | Copy) -> int:
        """Return the position in PARTS of the part that launched the work."""
        return PARTS.index(self._part_of(self._calls.get(work.correlation)))

    def started_s(self, work: Kernel | Copy) -> float | None:
        """Return when the launching call began, on the recording's clock. None if it was not recorded."""
        call = self._calls.get(work.correlation)
        return None if call is None else call.start_s


def _lane(
    kind: LaneKind, title: str, bars: Sequence[Span], spans: Sequence[Span], window: Interval, launches: _Launches
) -> Lane:
    names = {name: index for index, name in enumerate(dict.fromkeys(_name(bar) for bar in bars))}
    starts = [max(bar.start_s, window[0]) for bar in bars]
    link = tuple(launches.link(bar) for bar in bars)
    work = [bar for bar in bars if isinstance(bar, Kernel | Copy)]
    launched = [launches.started_s(bar) for bar in work]
    left_out_s = sum(span.seconds for span in spans) - sum(bar.seconds for bar in bars)
    return Lane(
        title=title,
        kind=kind,
        names=tuple(names),
        name=tuple(names[_name(bar)] for bar in bars),
        start_s=tuple(_rounded(start - window[0]) for start in starts),
        seconds=tuple(_rounded(min(bar.end_s, window[1]) - start) for bar, start in zip(bars, starts, strict=True)),
        link=link if any(link) else (),
        part=tuple(launches.part(bar) for bar in work),
        launched_s=tuple(None if at_s is None else _rounded(at_s - window[0]) for at_s in launched),
        nbytes=tuple(bar.nbytes for bar in bars if isinstance(bar, Copy)),
        left_out=len(spans) - len(bars),
        left_out_s=_rounded(left_out_s) if len(spans) > len(bars) else 0.0,
    )


def _name(bar: Span) -> str:
    if isinstance(bar, Copy):
        if bar.kind in ("host to device", "device to host"):
            return f"{bar.kind}, {'pageable' if bar.pageable else 'pinned'}"
        return bar.kind
    return shortened(bar.name)


def _rounded(seconds: float) -> float:
    """Round to nanoseconds, so that the record holds no digits that the profiler did not measure."""
    return round(seconds, 9)
