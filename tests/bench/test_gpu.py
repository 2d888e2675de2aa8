from __future__ import annotations

import pytest

from feedrate.bench.gpu import GpuSample, energy_j, summary


def _sample(at: float, energy: float | None = None, reasons: int = 0, busy: float = 0.5) -> GpuSample:
    return GpuSample(
        at=at, busy_fraction=busy, sm_clock_hz=1e9 + at, power_w=300.0, temperature_c=40 + at, energy_j=energy,
        used_bytes=None, reasons=reasons,
    )  # fmt: skip


def test_only_samples_within_the_timed_windows_count() -> None:
    samples = [
        _sample(float(at), busy=1.0 if 10 <= at <= 12 else 0.0, reasons=0x40 if at == 20 else 0) for at in range(30)
    ]
    found = summary(samples, [(9.5, 12.5)], period_s=0.1, sm_clock_max_hz=2e9)
    assert found is not None
    assert (found.samples, found.busy_fraction, found.temperature_c, found.throttled) == (3, 1.0, 52, ())
    assert found.sm_clock_hz == pytest.approx(1e9 + 11)


def test_what_held_the_clocks_down_is_named_and_idling_is_not_among_it() -> None:
    samples = [_sample(float(at), reasons=reasons) for at, reasons in enumerate((0x1, 0x4 | 0x1, 0x40, 0x2))]
    found = summary(samples, [(0, 3)], period_s=0.1, sm_clock_max_hz=None)
    assert found is not None
    assert found.throttled == ("software power cap", "hardware thermal slowdown")


def test_too_few_samples_say_nothing() -> None:
    assert summary([_sample(0), _sample(1)], [(0, 1)], period_s=0.1, sm_clock_max_hz=None) is None


def test_energy_is_the_counter_s_growth_over_the_windows() -> None:
    samples = [_sample(float(at), energy=1000 + 300.0 * at) for at in range(10)]
    assert energy_j(samples, [(1.5, 2.0), (4.0, 6.5)]) == pytest.approx(300 * 3)
    assert energy_j(samples, [(8.5, 9.5)]) is None  # the end was not seen
    assert energy_j([_sample(0), _sample(9)], [(1, 2)]) is None
