"""Writes recordings as trace.json in Chrome's trace event format, which https://ui.perfetto.dev opens.

nsys has no such export, so all events of its recordings are written here. torch.profiler writes its own file, to which
the workers' batches are added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from feedrate.bench.profiling.events import Copy, Events, Kernel, Span
from feedrate.bench.results.whole_file import write_whole

HOST, DEVICE, WORKERS = 1, 2, 3
"""Ids of the processes that a written trace has. The tracks of threads and streams are numbered within them."""
PRIVATE = ("host_name", "traceName")
"""Fields of torch's file that name the machine and its folders."""
Event = dict[str, Any]


def write(path: Path, events: Events, title: str) -> None:
    """Write all events of a recording. title: name of the process that ran the loader."""
    tracks = _Tracks()
    written = [*_host(events, tracks), *_device(events, tracks), *_batches(events, tracks, WORKERS)]
    processes = {HOST: title, DEVICE: f"{title}: device", WORKERS: f"{title}: workers"}
    used = {event["pid"] for event in written}
    names = [_named("process_name", pid, 0, name) for pid, name in processes.items() if pid in used]
    _save(path, {"displayTimeUnit": "ms", "traceEvents": [*names, *tracks.names(), *written]})


def complete(path: Path, events: Events) -> None:
    """Add the workers' batches to torch's file, and remove names of the machine and arrows with one end."""
    trace = {key: value for key, value in msgspec.json.decode(path.read_bytes()).items() if key not in PRIVATE}
    tracks = _Tracks()
    batches = list(_batches(events, tracks, WORKERS))
    names = [_named("process_name", WORKERS, 0, "workers"), *tracks.names()] if batches else []
    trace["traceEvents"] = [*_with_both_ends(trace["traceEvents"]), *names, *batches]
    _save(path, trace)


def _save(path: Path, trace: Mapping[str, Any]) -> None:
    write_whole(path, msgspec.json.encode(trace))


class _Tracks:
    """Numbers the threads, streams and workers of each process."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str], int] = {}

    def __call__(self, process: int, title: str) -> dict[str, int]:
        number = self._numbers.setdefault((process, title), len(self._numbers) + 1)
        return {"pid": process, "tid": number}

    def names(self) -> list[Event]:
        """Return the events that name and sort the tracks."""
        named = [_named("thread_name", pid, tid, title) for (pid, title), tid in self._numbers.items()]
        order = [
            {"ph": "M", "name": "thread_sort_index", "pid": pid, "tid": tid, "args": {"sort_index": tid}}
            for (pid, _), tid in self._numbers.items()
        ]
        return [*named, *order]


def _host(events: Events, tracks: _Tracks) -> Iterator[Event]:
    """Yield ranges, functions and calls, and the starts of the arrows from calls to the work that they launched."""
    tracks(HOST, events.main_thread)  # the consumer's thread comes first
    for span in events.ranges:
        amount = {} if span.payload is None else {"amount": span.payload}
        yield _slice(span, "range", tracks(HOST, span.thread), amount)
    for function in events.functions:
        yield _slice(function, "function", tracks(HOST, function.thread))
    calls = {call.correlation: call for call in events.calls if call.correlation}
    for call in events.calls:
        yield _slice(call, "cuda call", tracks(HOST, call.thread))
    launched: tuple[Kernel | Copy, ...] = (*events.kernels, *events.copies)
    for number, work in enumerate(launched, start=1):
        launch = calls.get(work.correlation)
        if launch is not None:
            track = tracks(HOST, launch.thread)
            yield _arrow("s", number, launch.start_s, track)
            yield {**_arrow("f", number, work.start_s, _stream(work, tracks)), "bp": "e"}


def _device(events: Events, tracks: _Tracks) -> Iterator[Event]:
    for kernel in events.kernels:
        yield _slice(kernel, "kernel", _stream(kernel, tracks))
    for copy in events.copies:
        rate = copy.nbytes / copy.seconds if copy.seconds > 0 else None
        yield _slice(
            copy,
            "copy",
            _stream(copy, tracks),
            {"bytes": copy.nbytes, "bytes_per_s": rate, "pageable": copy.pageable},
        )


def _batches(events: Events, tracks: _Tracks, process: int) -> Iterator[Event]:
    return (_slice(batch, "worker", tracks(process, batch.thread)) for batch in events.workers)


def _stream(work: Kernel | Copy, tracks: _Tracks) -> dict[str, int]:
    """Return the track of the work's stream. Kernels and copies of a stream share it, as they follow each other."""
    return tracks(DEVICE, "device" if work.stream is None else f"stream {work.stream}")


def _slice(span: Span, category: str, track: Mapping[str, int], arguments: Mapping[str, Any] | None = None) -> Event:
    times = {"ts": _micro(span.start_s), "dur": max(_micro(span.seconds), 0.0)}
    return {"ph": "X", "name": span.name, "cat": category, **times, **track, "args": dict(arguments or {})}


def _arrow(end: str, number: int, at_s: float, track: Mapping[str, int]) -> Event:
    return {"ph": end, "id": number, "name": "launch", "cat": "launch", "ts": _micro(at_s), **track}


def _named(kind: str, process: int, thread: int, name: str) -> Event:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": {"name": name}}


def _micro(seconds: float) -> float:
    """Convert to microseconds, the format's unit, rounded to nanoseconds."""
    return round(seconds * 1e6, 3)


def _with_both_ends(trace_events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events without the arrows that lack an end. torch writes those for work that ended before the recording."""
    events = list(trace_events)
    ends = Counter((_arrow_key(event), event["ph"]) for event in events if event.get("ph") in ("s", "f"))
    for event in events:
        if event.get("ph") not in ("s", "f") or all(ends[_arrow_key(event), end] for end in ("s", "f")):
            yield event


def _arrow_key(event: Event) -> tuple[Any, Any]:
    return event.get("cat"), event.get("id")
