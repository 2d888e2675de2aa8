from __future__ import annotations

import pytest

from feedrate.bench.results.parts.network import NetworkRecord
from feedrate.bench.results.record import EpochRecord
from feedrate.bench.results.wait_causes import WaitCauses, wait_causes


def _causes(**measured: float | None) -> WaitCauses:
    usual = {"rows": 1, "wall_s": 10.0, "wait_s": 8.0, "stall_s": 8.0, "wait_cpu_s": 0.0, "wait_others_cpu_s": 0.0}
    causes = wait_causes([EpochRecord(**{**usual, **measured})])  # type: ignore[arg-type]
    assert causes is not None
    return causes


def test_blocked_while_nothing_computes_is_fetching() -> None:
    assert _causes() == WaitCauses(fetch_s=8, decode_s=0, copy_s=0, device_s=0)


def test_computing_is_decoding_wherever_it_happens() -> None:
    assert _causes(wait_cpu_s=6.0) == WaitCauses(fetch_s=2, decode_s=6, copy_s=0, device_s=0)
    assert _causes(wait_others_cpu_s=8.0) == WaitCauses(fetch_s=0, decode_s=8, copy_s=0, device_s=0)
    assert _causes(worker_cpu_s=10.0) == WaitCauses(fetch_s=0, decode_s=8, copy_s=0, device_s=0)


def test_a_worker_that_idles_half_of_the_time_is_itself_waiting() -> None:
    assert _causes(worker_cpu_s=5.0) == WaitCauses(fetch_s=4, decode_s=4, copy_s=0, device_s=0)


def test_waiting_beside_a_busy_device_is_no_stall() -> None:
    assert _causes(stall_s=2.0) == WaitCauses(fetch_s=2, decode_s=0, copy_s=0, device_s=0)
    assert _causes(stall_s=0.0, wait_s=0.0) == WaitCauses(fetch_s=0, decode_s=0, copy_s=0, device_s=0)


def test_device_time_between_steps_is_copying_where_the_loader_copies_and_its_kernels_where_not() -> None:
    assert _causes(gap_s=1.0, copy_s=2.0) == WaitCauses(fetch_s=6, decode_s=0, copy_s=3, device_s=0)
    assert _causes(gap_s=1.0) == WaitCauses(fetch_s=8, decode_s=0, copy_s=0, device_s=1)


def test_being_ready_without_a_core_is_a_cause_of_its_own() -> None:
    # all 2 s in next() that are not computing were spent in the run queue, and so were 2 s outside it
    own = _causes(wait_s=4.0, stall_s=4.0, wait_cpu_s=2.0, thread_cpu_s=6.0, run_queue_s=4.0)
    assert own == WaitCauses(fetch_s=0, core_s=2, decode_s=2, copy_s=0, device_s=0)
    assert own.main == "core"
    # a sleep of 6 s beside a queue of 2 s
    assert _causes(thread_cpu_s=2.0, run_queue_s=2.0) == WaitCauses(
        fetch_s=6, core_s=2, decode_s=0, copy_s=0, device_s=0
    )
    # a worker that waits for a core half of the time
    queued = _causes(worker_cpu_s=5.0, others_run_queue_s=5.0)
    assert queued == WaitCauses(fetch_s=0, core_s=4, decode_s=4, copy_s=0, device_s=0)


def test_the_main_cause_is_the_greatest() -> None:
    assert (_causes().main, _causes(wait_cpu_s=6.0).main) == ("fetch", "decode")


def test_records_without_the_measurements_have_no_causes() -> None:
    assert wait_causes([EpochRecord(rows=1, wall_s=1.0, wait_s=0.5)]) is None


def test_epochs_add_up() -> None:
    epoch = EpochRecord(rows=1, wall_s=10.0, wait_s=8.0, stall_s=8.0, wait_cpu_s=2.0, wait_others_cpu_s=0.0)
    causes = wait_causes([epoch, epoch])
    assert causes is not None
    assert causes.fetch_s + causes.decode_s == pytest.approx(16)


@pytest.mark.parametrize(
    ("network_s", "measured", "causes"),
    [
        (3.0, {}, {"fetch_s": 5, "network_s": 3, "decode_s": 0}),
        (20.0, {}, {"fetch_s": 0, "network_s": 8, "decode_s": 0}),
        (8.0, {"wait_others_cpu_s": 6.0}, {"fetch_s": 0, "network_s": 2, "decode_s": 6}),
        (8.0, {"stall_s": 4.0}, {"fetch_s": 0, "network_s": 4, "decode_s": 0}),
    ],
)
def test_blocked_while_an_object_store_answers_is_the_network(
    network_s: float, measured: dict[str, float], causes: dict[str, float]
) -> None:
    network = NetworkRecord(requests=1, retries=0, bytes=1, wait_s=network_s)
    found = _causes(network=network, **measured)  # type: ignore[arg-type]
    assert found == WaitCauses(**causes, copy_s=0, device_s=0)
    assert found.main == max(causes, key=lambda name: causes[name]).removesuffix("_s")
