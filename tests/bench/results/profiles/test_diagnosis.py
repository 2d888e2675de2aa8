"""Each cause on a GPU, planted in a profile's numbers, is found, and a healthy profile has no findings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from feedrate.bench.results.gpu_record import GpuRecord
from feedrate.bench.results.profiles.diagnosis import diagnose
from feedrate.bench.results.profiles.record import CallRow, CopyRow, GapRow, Profile
from feedrate.bench.results.record import EpochRecord
from feedrate.bench.results.spec import TrialSpec
from tests.samples.sample_record import trial

EPOCH = EpochRecord(
    rows=3_276_800,
    wall_s=1.0,
    wait_s=0.01,
    wait_cpu_s=0.005,
    wait_others_cpu_s=0.0,
    stall_s=0.001,
    gap_s=0.0,
    cpu_s=1.0,
)
HEALTHY = Profile(
    spec=TrialSpec(loader="a", mode="train", repeat=0, seed=0, batch_size=32768, epochs=1, device="cuda"),
    profiler="nsys", version="1", steps=100, rows=3_276_800, window_s=1.0, epoch=EPOCH, cores=16, kernel_busy_fraction=0.85,
    device_busy_fraction=0.86, ranges=(), launches_per_step=80, kernels=(CallRow(name="sm90_gemm", count=100, seconds=0.5),),
)  # fmt: skip


IDLE = GapRow(within="next", call="", count=100, seconds=0.5)


def _waits(**changes: float) -> Profile:
    epoch = replace(EPOCH, wait_s=0.6, stall_s=0.5, **changes)
    return replace(HEALTHY, epoch=epoch, kernel_busy_fraction=0.4, gaps=(IDLE,))


COPY = CopyRow(kind="host to device", pageable=False, count=100, nbytes=10**9, seconds=0.3, overlapped_s=0.0)
CASES = {
    "input-bound: fetch": _waits(wait_cpu_s=0.0),
    "input-bound: decode": _waits(wait_cpu_s=0.0, wait_others_cpu_s=0.6),
    "input-bound: Python overhead": replace(
        _waits(wait_cpu_s=0.6), epoch=replace(EPOCH, rows=1000, wait_s=0.6, stall_s=0.5, wait_cpu_s=0.6)
    ),
    "input-bound: copy": replace(HEALTHY, copies=(COPY,)),
    "pageable copies": replace(HEALTHY, copies=(replace(COPY, pageable=True, seconds=0.04, overlapped_s=0.04),)),
    "synchronisation in the loop": replace(
        HEALTHY,
        kernel_busy_fraction=0.8,
        synchronisations=(CallRow(name="cudaStreamSynchronize", count=100, seconds=0.7),),
        gaps=(GapRow(within="step", call="", count=100, seconds=0.1),),
    ),
    "launch-bound": replace(
        HEALTHY, kernel_busy_fraction=0.5, gaps=(GapRow(within="forward", call="", count=900, seconds=0.5),)
    ),
    "batches too small": replace(
        HEALTHY,
        rows=100 * 256,
        kernel_busy_fraction=0.5,
        gaps=(GapRow(within="backward", call="", count=900, seconds=0.5),),
    ),
    "compute-bound": replace(HEALTHY, kernel_busy_fraction=0.98),
    "memory-bound": replace(
        HEALTHY, kernel_busy_fraction=0.98, kernels=(CallRow(name="multi_tensor_apply", count=100, seconds=0.9),)
    ),
    "CPU starved": replace(_waits(wait_cpu_s=0.0, wait_others_cpu_s=0.6, cpu_s=15.5)),
}


@pytest.mark.parametrize("cause", CASES)
def test_a_planted_cause_is_found(cause: str) -> None:
    findings = {finding.cause: finding for finding in diagnose(CASES[cause])}
    assert cause in findings
    assert findings[cause].evidence
    assert findings[cause].remedy


def test_a_healthy_profile_has_no_findings() -> None:
    assert diagnose(HEALTHY) == []


def test_causes_that_only_a_run_shows_come_from_its_trial() -> None:
    slow_start = replace(trial("a", "train", 1000), first_batch_s=9.0)
    assert [finding.cause for finding in diagnose(HEALTHY, slow_start)] == ["worker start-up"]
    hot = GpuRecord(samples=9, period_s=0.1, sm_clock_hz=1e9, sm_clock_max_hz=2e9, throttled=("software power cap",))
    [finding] = diagnose(HEALTHY, replace(trial("a", "train", 1000), gpu=hot))
    assert finding.cause == "throttled"
    assert "50%" in finding.evidence
