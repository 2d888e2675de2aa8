"""trace.json is valid: slices have durations, arrows have both ends, and tracks have names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from feedrate.bench.profiling import chrome_trace, workers
from feedrate.bench.profiling.events import Events, Range
from tests.bench.profiling.test_recordings import _events

PHASES = {"X", "s", "f", "M", "i", "B", "E", "C"}


def problems(trace: dict[str, Any]) -> list[str]:
    """Return what is wrong with a trace in Chrome's format. Empty if it is valid."""
    events = trace["traceEvents"]
    wrong = [f"phase {event['ph']}" for event in events if event["ph"] not in PHASES]
    slices = [event for event in events if event["ph"] == "X"]
    wrong += [f"slice {event}" for event in slices if not (event["dur"] >= 0 and event["name"])]
    open_slices: dict[tuple[Any, Any], int] = {}
    for event in events:
        if event["ph"] in "BE":
            track = event["pid"], event["tid"]
            open_slices[track] = open_slices.get(track, 0) + (1 if event["ph"] == "B" else -1)
    wrong += [f"track {track} has {count} slices without an end" for track, count in open_slices.items() if count]
    ends = {
        phase: {(event.get("cat"), event["id"]) for event in events if event["ph"] == phase} for phase in ("s", "f")
    }
    wrong += [f"arrow {arrow} has one end" for arrow in ends["s"] ^ ends["f"]]
    return wrong


@pytest.mark.parametrize("name", ["native-batched", "cupy-fast"])
def test_a_recording_of_nsys_becomes_a_valid_trace(name: str, tmp_path: Path) -> None:
    events = _events(name, tmp_path)
    chrome_trace.write(tmp_path / "trace.json", events, name)
    trace = json.loads((tmp_path / "trace.json").read_bytes())
    assert problems(trace) == []
    slices = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert len(slices) == sum(map(len, (events.kernels, events.copies, events.ranges, events.calls)))
    names = {(event["pid"], event["tid"]): event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "thread_name"}  # fmt: skip
    assert {names[event["pid"], event["tid"]] for event in slices if event["cat"] == "kernel"} == {"stream 7"}
    assert {(event["pid"], event["tid"]) for event in slices} <= names.keys()
    calls = {call.correlation for call in events.calls}
    launched = sum(work.correlation in calls for work in (*events.kernels, *events.copies))
    assert sum(event["ph"] == "s" for event in trace["traceEvents"]) == launched
    # an arrow starts on a call and ends on the work that it launched
    begins = {(event["ts"], event["tid"]) for event in slices}
    assert all((event["ts"], event["tid"]) in begins for event in trace["traceEvents"] if event["ph"] in "sf")


def test_torchs_trace_gets_the_workers_and_loses_half_arrows_and_the_machines_name(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    arrows = [
        {"ph": phase, "cat": "ac2g", "id": number, "ts": 1, "pid": 7, "tid": 7, "name": "ac2g"}
        for phase, number in (("s", 1), ("f", 1), ("s", 2), ("f", 3))
    ]
    work = {"ph": "X", "name": "aten::mm", "cat": "cpu_op", "ts": 5.5, "dur": 1, "pid": 7, "tid": 7}
    path.write_text(
        json.dumps({"host_name": "secret", "traceName": "/home/me", "displayTimeUnit": "ms", "traceEvents": [work, *arrows]})
    )  # fmt: skip
    batch = Range(name="batch", start_s=4e-6, end_s=6e-6, thread="worker 1")
    chrome_trace.complete(path, Events(workers=(batch,)))
    assert "secret" not in path.read_text()
    assert "/home/me" not in path.read_text()
    trace = json.loads(path.read_text())
    assert problems(trace) == []
    assert [event["id"] for event in trace["traceEvents"] if event["ph"] in "sf"] == [1, 1]
    [made] = [event for event in trace["traceEvents"] if event["name"] == "batch"]
    assert (made["ts"], made["dur"]) == (4, 2)


def test_batches_of_workers_are_put_on_the_clock_of_the_recording(tmp_path: Path) -> None:
    (tmp_path / "812.batches").write_text("3000000000 3500000000")
    (tmp_path / "90.batches").write_text("1000000000 2000000000\n5000000000")
    steps = [Range(name="step", start_s=at_s, end_s=at_s, thread="main") for at_s in (101.0, 102.0, 103.9)]
    offset_s = workers.offset_of(steps, [1_000_000_000, 2_000_000_000, 3_000_000_000])
    assert offset_s == pytest.approx(100)
    batches = workers.read_batches(tmp_path, offset_s)
    assert [(span.thread, span.start_s, span.end_s) for span in batches[:2]] == [
        ("worker 1", pytest.approx(101), pytest.approx(102)),
        ("worker 2", pytest.approx(103), pytest.approx(103.5)),
    ]
    assert workers.offset_of([], []) is None
