from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from feedrate.bench.host.process_usage import Usage, since, since_process_start

TICK_S = 0.02
"""The system counts CPU time in hundredths of a second, at both ends."""
BURNT_S = 0.3
BURN = f"import time; t = time.process_time()\nwhile time.process_time() - t < {BURNT_S}: pass\nprint(flush=True); time.sleep(60)"


def test_a_childs_cpu_time_counts_and_the_busiest_child_is_found() -> None:
    before = Usage.now(memory=True)
    children = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for code in (BURN, "input()")]
    try:
        assert children[0].stdout is not None
        children[0].stdout.readline()
        after = Usage.now(memory=True)
    finally:
        for child in children:
            child.kill()
            child.wait()
    assert after.cpu_s - before.cpu_s >= BURNT_S - TICK_S
    assert BURNT_S - TICK_S <= after.busiest_child_s(before) <= after.cpu_s - before.cpu_s
    assert after.rss_bytes > before.rss_bytes > 0
    assert after.pss_bytes is not None
    assert after.pss_bytes <= after.rss_bytes


def test_sleep_uses_no_cpu_time() -> None:
    """Whatever else the machine does: CPU time is compared with the process's own clock, not with the wall."""
    began_s, before = time.process_time(), Usage.now(memory=False)
    time.sleep(0.2)
    after, ended_s = Usage.now(memory=False), time.process_time()
    assert after.cpu_s - before.cpu_s <= ended_s - began_s + TICK_S
    assert after.busiest_child_s(before) == 0


def test_the_growth_is_unknown_if_one_of_two_readings_is_missing() -> None:
    assert (since(5, 3), since(None, 3), since(5, None)) == (2, None, None)


def test_children_that_ended_between_readings_count() -> None:
    before = Usage.now(memory=False)
    subprocess.run([sys.executable, "-c", BURN.replace("time.sleep(60)", "")], check=True, stdout=subprocess.DEVNULL)
    assert Usage.now(memory=False).busiest_child_s(before) >= BURNT_S - TICK_S


def test_a_clock_that_is_set_back_does_not_change_the_age_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    before = since_process_start()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert 0 < before <= since_process_start() < before + 60
    assert before == pytest.approx(
        psutil.boot_time() + time.clock_gettime(time.CLOCK_BOOTTIME) - psutil.Process().create_time(), abs=2
    )
