"""The timeline of a recording: bounded lanes, numbered steps, and the launches of the device's work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from feedrate.bench.profiling import lanes
from feedrate.bench.profiling.events import Call, Copy, Events, Function, Kernel, Range
from feedrate.bench.results.profiles.record import PARTS, Flame, Lane
from tests.bench.profiling.test_recordings import _events


def _step(number: int) -> list[Range]:
    """A step of 10 ms that asks for its batch 2 ms after the step before it has ended."""
    begin = number * 0.012 + 0.002
    spans = [("next", 0.0, 0.003), ("step", 0.003, 0.01), ("forward", 0.003, 0.006)]
    return [Range(name=name, thread="main", start_s=begin + start, end_s=begin + end) for name, start, end in spans]


STEPS = tuple(span for number in range(8) for span in _step(number))


def test_steps_are_numbered_and_begin_with_the_request_for_the_batch() -> None:
    timeline = lanes.timeline(Events(ranges=STEPS, main_thread="main", window=(0.0, 0.1)))
    assert [mark.number for mark in timeline.marks] == [2, 3, 4, 5, 6]
    assert [mark.start_s for mark in timeline.marks] == pytest.approx([0, 0.012, 0.024, 0.036, 0.048])
    [lane] = timeline.lanes
    assert (lane.title, lane.kind, len(lane.name), lane.names) == ("main", "ranges", 15, ("next", "step", "forward"))


def test_a_lane_keeps_its_longest_bars_and_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MAX_BARS", 2)
    functions = tuple(
        Function(name=f"f{n}", thread="main", start_s=0.03 + n / 1e3, end_s=0.03 + n / 1e3 + n / 1e4) for n in range(4)
    )
    timeline = lanes.timeline(Events(ranges=STEPS, functions=functions, main_thread="main", window=(0.0, 0.1)))
    lane = timeline.lanes[1]
    assert [lane.names[name] for name in lane.name] == ["f2", "f3"]
    assert (lane.left_out, lane.left_out_s) == (2, pytest.approx(1e-4))


def test_further_threads_are_left_out_but_neither_the_consumer_nor_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MAX_LANES", 3)
    others = tuple(Range(name="decode", thread=f"reader {n}", start_s=0.03, end_s=0.03 + n / 1e3) for n in range(1, 5))
    kernel = Kernel(name="gemm", start_s=0.03, end_s=0.031, stream=7)
    timeline = lanes.timeline(Events(ranges=(*STEPS, *others), kernels=(kernel,), main_thread="main"))
    assert [lane.title for lane in timeline.lanes] == ["main", "reader 4", "stream 7"]
    assert timeline.left_out == 3


def test_work_knows_its_launch_and_the_part_that_launched_it() -> None:
    begin = STEPS[6].start_s  # the first step of the timeline
    calls = (
        Call(name="cudaLaunchKernel", thread="main", start_s=begin - 0.02, end_s=begin - 0.019, correlation=4),
        Call(name="cudaMemcpyAsync", thread="main", start_s=begin + 0.004, end_s=begin + 0.005, correlation=5),
    )
    kernels = (Kernel(name="late", start_s=begin + 0.001, end_s=begin + 0.002, correlation=4, stream=7),)
    copy = Copy(
        name="x", kind="host to device", nbytes=12, start_s=begin + 0.006, end_s=begin + 0.007, correlation=5, pageable=True
    )  # fmt: skip
    events = Events(ranges=STEPS, calls=calls, kernels=kernels, copies=(copy,), main_thread="main")
    _, called, copied, late = lanes.timeline(events).lanes
    assert (called.link, copied.link, late.link) == ((1,), (1,), ())
    assert copied.names == ("host to device, pageable",)
    assert (copied.nbytes, [PARTS[part] for part in copied.part]) == ((12,), ["forward"])
    assert copied.launched_s == pytest.approx((0.004,))
    assert late.launched_s == pytest.approx((-0.02,))


def test_a_recording_of_a_gpu_has_lanes_of_threads_and_streams(tmp_path: Path) -> None:
    timeline = lanes.timeline(_events("native-batched", tmp_path))
    titles = [(lane.title.split(" 5")[0], lane.kind) for lane in timeline.lanes]
    assert titles == [
        ("main", "ranges"), ("main", "calls"), ("pt_autograd_0", "calls"), ("stream 7", "kernels"), ("stream 7", "copies"),
    ]  # fmt: skip
    kernels = timeline.lanes[3]
    assert {PARTS[part] for part in kernels.part} == {"forward", "backward", "optimizer"}
    assert sum(map(bool, kernels.link)) > 0.8 * len(kernels.link)
    assert len(timeline.marks) == 5


LANE: dict[str, Any] = {
    "title": "main",
    "kind": "ranges",
    "names": ["next"],
    "name": [0],
    "start_s": [0],
    "seconds": [1],
}
FLAME: dict[str, Any] = {"who": "consumer", "names": ["", "f"], "depth": [0, 1], "name": [0, 1], "samples": [9, 3]}


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        (Lane, LANE | {"start_s": []}),
        (Lane, LANE | {"name": [1]}),
        (Lane, LANE | {"part": [9]}),
        (Lane, LANE | {"link": [1, 2]}),
        (Flame, FLAME | {"depth": [0, 2]}),
        (Flame, FLAME | {"depth": [0, 0]}),
        (Flame, FLAME | {"samples": [9]}),
        (Flame, {"who": "consumer", "names": [], "depth": [], "name": [], "samples": []}),
    ],
)
def test_a_record_whose_lanes_do_not_fit_together_is_refused(kind: Any, broken: dict[str, Any]) -> None:
    assert msgspec.convert(LANE, Lane)
    assert msgspec.convert(FLAME, Flame)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(broken, kind)
