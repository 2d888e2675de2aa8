"""Compares real nsys recordings from an H100 with the output of `nsys stats`, both in the folder recordings."""

from __future__ import annotations

import csv
import gzip
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feedrate.bench.profiling import nsys, run, tables
from feedrate.bench.profiling.events import Events
from feedrate.bench.profiling.trial import ProfileMessage
from feedrate.bench.results.profiles.diagnosis import diagnose
from feedrate.bench.results.profiles.record import Profile
from feedrate.bench.results.record import EpochRecord
from feedrate.bench.results.spec import ModelSpec, TrialSpec

RECORDINGS = Path(__file__).parent / "recordings"
LOADERS = ("native", "native-batched", "nvtabular", "cupy", "copies", "cupy-wide")
ROWS = 20 * 32768


def _events(name: str, folder: Path) -> Events:
    path = folder / f"{name}.sqlite"
    with gzip.open(RECORDINGS / f"{name}.sqlite.gz") as packed, path.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
    return nsys.read_sqlite(path, domain="feedrate", thread=_consumer(path))


def _consumer(path: Path) -> int:
    """Return the id of the thread with the `step` ranges."""
    with sqlite3.connect(path) as base:
        query = "select globalTid from NVTX_EVENTS join StringIds on id = textId where value = 'step' limit 1"
        [number] = base.execute(query).fetchone()
    return int(number) & 0xFFFFFF


def _stats(name: str, report: str) -> list[dict[str, Any]]:
    with (RECORDINGS / f"{name}.{report}.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def _profile(name: str, folder: Path, *, step: str = "eager", epoch: EpochRecord | None = None) -> Profile:
    spec = TrialSpec(
        loader=name, mode="train", repeat=0, seed=0, batch_size=32768, epochs=1, device="cuda", model=ModelSpec(step=step)  # type: ignore[arg-type]
    )  # fmt: skip
    message = ProfileMessage(steps=20, rows=ROWS, epoch=epoch)  # the rows per step of the recordings
    return run._profile(spec, "nsys", "2025.3.1", message, _events(name, folder))


@pytest.mark.parametrize("name", LOADERS)
def test_sums_of_ranges_kernels_and_copies_are_those_of_nsys_stats(name: str, tmp_path: Path) -> None:
    events = _events(name, tmp_path)
    for row in _stats(name, "nvtx_sum"):
        domain, _, name_in_domain = row["Range"].partition(":")
        if domain == "feedrate":
            spans = [span for span in events.ranges if span.name == name_in_domain]
            assert len(spans) == int(row["Instances"])
            assert sum(span.seconds for span in spans) == pytest.approx(int(row["Total Time (ns)"]) / 1e9, abs=1e-9)
    assert sum(row["Range"].startswith("feedrate:") for row in _stats(name, "nvtx_sum")) >= 5
    kernels = _stats(name, "cuda_gpu_kern_sum")
    assert sum(kernel.seconds for kernel in events.kernels) == pytest.approx(
        sum(int(row["Total Time (ns)"]) for row in kernels) / 1e9
    )
    assert len(events.kernels) == sum(int(row["Instances"]) for row in kernels)
    copies = {row["Operation"]: row for row in _stats(name, "cuda_gpu_mem_time_sum")}
    for operation, kind in (("[CUDA memcpy Host-to-Device]", "host to device"), ("[CUDA memset]", "fill")):
        seconds = sum(copy.seconds for copy in events.copies if copy.kind == kind)
        assert seconds == pytest.approx(int(copies.get(operation, {"Total Time (ns)": 0})["Total Time (ns)"]) / 1e9)
    for row in _stats(name, "cuda_gpu_mem_size_sum"):
        if "Host-to-Device" in row["Operation"]:
            moved = sum(copy.nbytes for copy in events.copies if copy.kind == "host to device")
            assert moved / 1e6 == pytest.approx(float(row["Total (MB)"]), abs=1e-3)


@pytest.mark.parametrize("name", LOADERS)
def test_busy_is_within_half_a_point_of_nsys_stats(name: str, tmp_path: Path) -> None:
    """All kernels run on one stream, so their sum, which nsys reports, equals their union over the recording."""
    events = _events(name, tmp_path)
    end = max(kernel.end_s for kernel in events.kernels)
    events = replace(events, window=(min(span.start_s for span in events.ranges), end))
    kernels, _ = tables.device_busy(events)
    seconds = sum(int(row["Total Time (ns)"]) for row in _stats(name, "cuda_gpu_kern_sum")) / 1e9
    assert kernels == pytest.approx(seconds / (events.window[1] - events.window[0]), rel=0.002)


@pytest.mark.parametrize(
    ("name", "busy", "step_ms", "steps", "launches"),
    [
        ("native", 0.0126, 430.6, 19, 156),
        ("native-batched", 0.598, 9.01, 19, 156),
        ("nvtabular", 0.942, 5.74, 19, 156),
        ("cupy", 0.943, 5.73, 19, 156),
        ("copies", 0.220, 24.48, 20, 156),
        ("cupy-wide", 0.993, 52.32, 20, 153),
    ],
)
def test_the_window_leaves_out_the_step_in_which_nsys_starts_up(
    name: str, busy: float, step_ms: float, steps: int, launches: int, tmp_path: Path
) -> None:
    profile = _profile(name, tmp_path)
    assert (profile.steps, profile.rows) == (steps, steps * 32768)
    assert profile.kernel_busy_fraction == pytest.approx(busy, abs=0.001)
    assert profile.window_s / profile.steps * 1e3 == pytest.approx(step_ms, abs=0.05)
    assert profile.launches_per_step == launches


def test_what_autograd_s_thread_launches_is_backward_s(tmp_path: Path) -> None:
    rows = {row.name: row for row in tables.range_rows(_events("cupy", tmp_path))}
    parts = [rows[name].device_s or 0.0 for name in ("forward", "backward", "optimizer")]
    assert min(parts) > 0.01
    assert sum(parts) == pytest.approx(rows["step"].device_s, rel=0.01)


def test_a_cuda_graph_is_device_work_of_its_step(tmp_path: Path) -> None:
    profile = _profile("cupy-fast", tmp_path, step="fast")
    assert profile.kernel_busy_fraction == pytest.approx(0.985, abs=0.001)
    assert profile.launches_per_step == 1
    assert profile.kernels[0].name.startswith("graph ")


WAITED = EpochRecord(
    rows=ROWS, wall_s=1.0, wait_s=0.6, wait_cpu_s=0.6, wait_others_cpu_s=0.0, stall_s=0.3, gap_s=0.0, copy_s=0.01, cpu_s=1.0
)  # fmt: skip


COPIED = EpochRecord(
    rows=688_128, wall_s=0.845, wait_s=0.3267, wait_cpu_s=0.2135, wait_others_cpu_s=4.202, stall_s=0.2795, gap_s=0.0,
    copy_s=0.2541, cpu_s=7.59,
)  # fmt: skip
"""The harness's clocks when `copies` was recorded."""


def test_pageable_copies_are_diagnosed_as_the_bottleneck(tmp_path: Path) -> None:
    profile = _profile("copies", tmp_path, epoch=COPIED)
    [copies] = [row for row in profile.copies if row.kind == "host to device"]
    assert (copies.count, copies.pageable, copies.overlapped_s) == (20 * 40 * 5, True, 0.0)
    causes = [finding.cause for finding in diagnose(profile)]
    assert causes[0] == "input-bound: copy"
    assert "pageable copies" in causes


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("cupy-wide", "compute-bound"),
        ("native", "input-bound: decode"),
        ("native-batched", "input-bound: decode"),
        ("nvtabular", "memory-bound"),
        ("cupy", "memory-bound"),
    ],
)
def test_each_recording_is_diagnosed(name: str, cause: str, tmp_path: Path) -> None:
    findings = diagnose(_profile(name, tmp_path, epoch=WAITED))
    assert findings[0].cause == cause, findings
