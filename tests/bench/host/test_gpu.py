from __future__ import annotations

import types
from dataclasses import replace
from typing import Any

import pytest

from feedrate.bench.host.gpm import Gpm
from feedrate.bench.host.gpu import GpuSample, energy_j, summary
from feedrate.bench.results.gpu_record import GpmValues


def _sample(at: float, energy: float | None = None, reasons: int = 0, busy: float = 0.5) -> GpuSample:
    return GpuSample(
        at=at, busy_fraction=busy, sm_clock_hz=1e9 + at, power_w=300.0, temperature_c=40 + at, energy_j=energy,
        used_bytes=None, reasons=reasons,
    )  # fmt: skip


def test_only_samples_within_the_timed_windows_count() -> None:
    samples = [
        _sample(float(at), busy=1.0 if 10 <= at <= 12 else 0.0, reasons=0x40 if at == 20 else 0) for at in range(30)
    ]
    record = summary(samples, [(9.5, 12.5)], period_s=0.1, sm_clock_max_hz=2e9)
    assert record is not None
    assert (record.samples, record.busy_fraction, record.temperature_c, record.throttled) == (3, 1.0, 52, ())
    assert record.sm_clock_hz == pytest.approx(1e9 + 11)


def test_throttle_reasons_are_named_and_idling_is_not_one() -> None:
    samples = [_sample(float(at), reasons=reasons) for at, reasons in enumerate((0x1, 0x4 | 0x1, 0x40, 0x2))]
    record = summary(samples, [(0, 3)], period_s=0.1, sm_clock_max_hz=None)
    assert record is not None
    assert record.throttled == ("software power cap", "hardware thermal slowdown")


def test_too_few_samples_give_no_summary() -> None:
    assert summary([_sample(0), _sample(1)], [(0, 1)], period_s=0.1, sm_clock_max_hz=None) is None


def test_energy_is_the_counter_s_growth_over_the_windows() -> None:
    samples = [_sample(float(at), energy=1000 + 300.0 * at) for at in range(10)]
    assert energy_j(samples, [(1.5, 2.0), (4.0, 6.5)]) == pytest.approx(300 * 3)
    assert energy_j(samples, [(8.5, 9.5)]) is None  # no sample after the end
    assert energy_j([_sample(0), _sample(9)], [(1, 2)]) is None


def test_gpm_counts_only_intervals_within_a_timed_window_weighted_by_length() -> None:
    def sampled(since: float, at: float, active: float | None) -> GpuSample:
        return replace(_sample(at), since=since, gpm=GpmValues(sm_active=active, dram_active=0.25))

    samples = [sampled(0, 1, 1.0), sampled(1, 2, 0.5), sampled(2, 5, 0.1), sampled(5, 6, None), sampled(6, 8, 1.0)]
    record = summary(samples, [(0.5, 7.0)], period_s=1, sm_clock_max_hz=None)
    assert record is not None
    assert record.gpm is not None
    assert record.gpm.sm_active == pytest.approx((0.5 * 1 + 0.1 * 3) / 4)
    assert record.gpm.dram_active == pytest.approx(0.25)
    assert record.gpm.sm_occupancy is None
    assert record.sm_active == (1.0, 0.5, 0.1, None)


class Nvml:
    """The part of nvidia-ml-py that GPM needs. Each sample holds the number of samples taken so far."""

    NVMLError = type("NVMLError", (Exception,), {})
    NVML_SUCCESS, NVML_GPM_METRICS_GET_VERSION = 0, 1
    NVML_GPM_METRIC_SM_UTIL, NVML_GPM_METRIC_SM_OCCUPANCY, NVML_GPM_METRIC_DRAM_BW_UTIL = 2, 3, 10
    NVML_GPM_METRIC_PCIE_TX_PER_SEC, NVML_GPM_METRIC_PCIE_RX_PER_SEC = 20, 21

    def __init__(self, *, supported: int = 1) -> None:
        self.supported, self.samples_taken = supported, 0

    def nvmlGpmQueryDeviceSupport(self, _handle: object) -> Any:
        return types.SimpleNamespace(isSupportedDevice=self.supported)

    def nvmlGpmSampleAlloc(self) -> Any:
        return types.SimpleNamespace(at=0)

    def nvmlGpmSampleGet(self, _handle: object, sample: Any) -> None:
        self.samples_taken += 1
        sample.at = self.samples_taken

    def c_nvmlGpmMetricsGet_t(self) -> Any:
        return types.SimpleNamespace(metrics=[types.SimpleNamespace() for _ in range(5)])

    def nvmlGpmMetricsGet(self, request: Any) -> None:
        for metric in request.metrics:
            metric.value = metric.metricId * (request.sample2.at - request.sample1.at)
            metric.nvmlReturn = 0 if metric.metricId != 3 else 12


def test_gpm_compares_the_last_two_samples_and_omits_what_the_device_does_not_report() -> None:
    gpm = Gpm.of(Nvml(), None)
    assert gpm is not None
    for _ in range(2):
        values = gpm.read()
        assert values.sm_active == pytest.approx(0.02)
        assert values.sm_occupancy is None
        assert values.pcie_received_bytes_per_s == 21 * 2**20
    assert Gpm.of(Nvml(supported=0), None) is None
