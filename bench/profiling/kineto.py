"""Reads events from torch.profiler's Chrome trace, which Perfetto can open, too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from feedrate.bench.profiling.events import Call, Copy, Events, Function, Kernel, Range, window_of
from feedrate.bench.results.range_names import COLOURS

COPIES = {"HtoD": "host to device", "DtoH": "device to host", "DtoD": "device to device", "Memset": "fill"}


def read_trace(path: Path, *, thread: int, names: Mapping[int, str] | None = None) -> Events:
    """Read a trace. Seconds count from the trace's own zero.

    thread: the operating system's id of the consumer's thread. names: Python's names of the other threads, by id. Only
    feedrate's ranges are kept. torch opens its own within them, such as `Optimizer.step#Adam.step`, which would hide
    the range that the time belongs to.
    """
    trace_events = msgspec.json.decode(path.read_bytes())["traceEvents"]
    complete = [event for event in trace_events if event.get("ph") == "X"]
    events_by_category: dict[str, list[dict[str, Any]]] = {}
    for event in complete:
        events_by_category.setdefault(str(event.get("cat")), []).append(event)
    thread_name = _thread_names(trace_events, thread, names or {})
    ranges = tuple(
        Range(**_times(event), name=event["name"], thread=thread_name(event["tid"]), payload=None)
        for event in events_by_category.get("user_annotation", [])
        if event["name"] in COLOURS
    )
    kernels = tuple(
        Kernel(**_times(event), name=event["name"], correlation=_correlation(event), stream=_stream(event))
        for event in events_by_category.get("kernel", [])
    )
    copies = tuple(
        _copy(event) for category in ("gpu_memcpy", "gpu_memset") for event in events_by_category.get(category, [])
    )
    calls = tuple(
        Call(**_times(event), name=event["name"], thread=thread_name(event["tid"]), correlation=_correlation(event))
        for category in ("cuda_runtime", "cuda_driver")
        for event in events_by_category.get(category, [])
    )
    functions = tuple(
        Function(**_times(event), name=event["name"], thread=thread_name(event["tid"]))
        for event in events_by_category.get("cpu_op", [])
    )
    return Events(
        kernels=kernels,
        copies=copies,
        ranges=ranges,
        calls=calls,
        functions=functions,
        main_thread="main",
        window=window_of(ranges, (*kernels, *copies), calls, "main"),
    )


def _times(event: dict[str, Any]) -> dict[str, float]:
    """Convert the trace's microseconds to seconds."""
    start_s = float(event["ts"]) / 1e6
    return {"start_s": start_s, "end_s": start_s + float(event.get("dur", 0)) / 1e6}


def _correlation(event: dict[str, Any]) -> int:
    return int(event.get("args", {}).get("correlation", 0))


def _stream(event: dict[str, Any]) -> int | None:
    stream = event.get("args", {}).get("stream")
    return int(stream) if isinstance(stream, int) else None


def _copy(event: dict[str, Any]) -> Copy:
    name = str(event["name"])
    kind = next((kind for abbreviation, kind in COPIES.items() if abbreviation in name), "other")
    return Copy(
        **_times(event),
        name=name,
        kind=kind,
        nbytes=int(event.get("args", {}).get("bytes", 0)),
        pageable="Pageable" in name,
        correlation=_correlation(event),
        stream=_stream(event),
    )


def _thread_names(events: list[dict[str, Any]], main: int, names: Mapping[int, str]) -> Any:
    """Return a function from thread ids to thread names. The consumer's thread is called "main".

    torch's own name of a thread ends in that of the process, as in "thread 77 (python)", which says nothing.
    """
    recorded = {
        event["tid"]: str(event["args"]["name"]).removesuffix("(python)").strip()
        for event in events
        if event.get("ph") == "M" and event.get("name") == "thread_name"
    }

    def thread_name(tid: Any) -> str:
        if tid == main:
            return "main"
        return f"{names[tid]} {tid}" if tid in names else recorded.get(tid, f"thread {tid}")

    return thread_name
