"""torch.profiler's Chrome trace, which Perfetto opens, too, as events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from feedrate.bench.profiling.events import Call, Copy, Events, Kernel, Range, window_of
from feedrate.bench.results.range_names import COLOURS

COPIES = {"HtoD": "host to device", "DtoH": "device to host", "DtoD": "device to device", "Memset": "fill"}


def read_trace(path: Path, *, thread: int) -> Events:
    """thread: the consumer's, as the system numbers it. Seconds are the trace's own. Of ranges only feedrate's: torch has its own
    within them, as `Optimizer.step#Adam.step`, which would hide what the time belongs to."""
    found = msgspec.json.decode(path.read_bytes())["traceEvents"]
    whole = [event for event in found if event.get("ph") == "X"]
    kinds: dict[str, list[dict[str, Any]]] = {}
    for event in whole:
        kinds.setdefault(str(event.get("cat")), []).append(event)
    names = _thread_names(found, thread)
    ranges = tuple(
        Range(**_times(event), name=event["name"], thread=names(event["tid"]), payload=None)
        for event in kinds.get("user_annotation", [])
        if event["name"] in COLOURS
    )
    kernels = tuple(
        Kernel(**_times(event), name=event["name"], correlation=_correlation(event))
        for event in kinds.get("kernel", [])
    )
    copies = tuple(_copy(event) for kind in ("gpu_memcpy", "gpu_memset") for event in kinds.get(kind, []))
    calls = tuple(
        Call(**_times(event), name=event["name"], thread=names(event["tid"]), correlation=_correlation(event))
        for kind in ("cuda_runtime", "cuda_driver")
        for event in kinds.get(kind, [])
    )
    return Events(
        kernels=kernels,
        copies=copies,
        ranges=ranges,
        calls=calls,
        main_thread="main",
        window=window_of(ranges, (*kernels, *copies), calls, "main"),
    )


def _times(event: dict[str, Any]) -> dict[str, float]:
    """A trace is in microseconds."""
    start_s = float(event["ts"]) / 1e6
    return {"start_s": start_s, "end_s": start_s + float(event.get("dur", 0)) / 1e6}


def _correlation(event: dict[str, Any]) -> int:
    return int(event.get("args", {}).get("correlation", 0))


def _copy(event: dict[str, Any]) -> Copy:
    name = str(event["name"])
    kind = next((long for short, long in COPIES.items() if short in name), "other")
    return Copy(
        **_times(event),
        name=name,
        kind=kind,
        nbytes=int(event.get("args", {}).get("bytes", 0)),
        pageable="Pageable" in name,
        correlation=_correlation(event),
    )


def _thread_names(events: list[dict[str, Any]], main: int) -> Any:
    """thread number -> what people call it; the consumer's is "main"."""
    known = {
        event["tid"]: str(event["args"]["name"])
        for event in events
        if event.get("ph") == "M" and event.get("name") == "thread_name"
    }

    def named(tid: Any) -> str:
        return "main" if tid == main else known.get(tid, f"thread {tid}")

    return named
