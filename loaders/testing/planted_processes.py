"""Faults of a loader's process, its clock and its files: the batches are right, but the trial must not count as it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

from torch.utils.data import DataLoader, Dataset

from feedrate.loaders.base import Batch
from feedrate.loaders.testing.fault import Fault, Planted, to_device

SLOWDOWN = 4
"""Factor by which the fault `slow_clock` slows the clock."""
BATCH_S = 0.03
"""Seconds that a batch takes with that fault, so that the timed epochs last longer than a message may be late."""
OUTPUT_BYTES = 50_000_000
"""Bytes that the fault `endless_output` prints."""
FOREVER_S = 3600.0


def _at_first(action: Callable[[Planted], object]) -> Fault:
    """A fault that acts once, before the first batch of the first epoch."""

    def batches(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
        if epoch == 0:
            action(loader)
        yield from to_device(loader, batches, epoch)

    return Fault(batches=batches)


def _slow_clock(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    """Replace time.monotonic wherever a module has kept it."""
    if epoch == 0:
        real, begun = time.monotonic, time.monotonic()

        def slow() -> float:
            return begun + (real() - begun) / SLOWDOWN

        for module in list(sys.modules.values()):
            for name, value in list(vars(module).items()):
                if value is real:
                    setattr(module, name, slow)
    for batch in to_device(loader, batches, epoch):
        time.sleep(BATCH_S)
        yield batch


def _touch_data(loader: Planted) -> None:
    os.utime(loader.split.files[0])


def _add_to_data(loader: Planted) -> None:
    loader.split.files[0].with_name("cache.bin").write_bytes(b"what a loader kept for the next trial")


def _leave_session(_loader: Planted) -> None:
    command = [sys.executable, "-c", f"import time; time.sleep({FOREVER_S})"]
    subprocess.Popen(command, start_new_session=True)


def _fork_twice(_loader: Planted) -> None:
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(FOREVER_S)
        os._exit(0)
    os.waitpid(child, 0)


def _leave_thread(_loader: Planted) -> None:
    threading.Thread(target=time.sleep, args=(FOREVER_S,), name="fill", daemon=True).start()


def _print_much(_loader: Planted) -> None:
    for _ in range(OUTPUT_BYTES // 1000):
        os.write(1, b"noise " * 166 + b"now\n")


def _exit_beside_a_worker(_loader: Planted) -> None:
    """Exit while another process holds the pipe to the suite open."""
    if os.fork() == 0:
        time.sleep(FOREVER_S)
    os._exit(3)


def _kill_itself(_loader: Planted) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _sys_exit(_loader: Planted) -> NoReturn:
    sys.exit(3)


def _raise_without_message(_loader: Planted) -> NoReturn:
    raise ValueError


class Unprintable(BaseException):
    """An exception that is no Exception and whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("there is no text")


def _raise_unprintable(_loader: Planted) -> NoReturn:
    raise Unprintable


class _Broken(Dataset[Any]):
    def __init__(self, error: Exception) -> None:
        self._error = error

    def __len__(self) -> int:
        return 8

    def __getitem__(self, _row: int) -> NoReturn:
        raise self._error


def _raise_in_a_worker(error: Exception) -> Fault:
    return _at_first(lambda _loader: list(DataLoader(_Broken(error), num_workers=1)))


def _pipes() -> list[int]:
    """Open pipes of this process beside its standard input and output, among them the one to the suite."""
    return [
        number
        for number in range(3, 256)
        if os.path.exists(f"/proc/self/fd/{number}") and os.readlink(f"/proc/self/fd/{number}").startswith("pipe:")
    ]


def _close_pipes(_loader: Planted) -> None:
    for number in _pipes():
        os.close(number)


def _write_to_pipes(_loader: Planted) -> None:
    for number in _pipes():
        os.write(number, b"progress: 10 %\n")


PROCESS_FAULTS: dict[str, Fault] = {
    "slow_clock": Fault(batches=_slow_clock),
    "data_file_touched": _at_first(_touch_data),
    "data_file_added": _at_first(_add_to_data),
    "session_outlives_close": _at_first(_leave_session),
    "double_fork_outlives_close": _at_first(_fork_twice),
    "thread_outlives_close": _at_first(_leave_thread),
    "endless_output": _at_first(_print_much),
    "exits_beside_a_worker": _at_first(_exit_beside_a_worker),
    "killed": _at_first(_kill_itself),
    "sys_exit": _at_first(_sys_exit),
    "no_message": _at_first(_raise_without_message),
    "base_exception": _at_first(_raise_unprintable),
    "worker_raises": _raise_in_a_worker(ValueError("cannot parse row 7")),
    "shared_memory_full": _raise_in_a_worker(
        RuntimeError("unable to write to file </torch_7_1_0>: No space left on device (28)")
    ),
    "closes_the_pipe": _at_first(_close_pipes),
    "writes_to_the_pipe": _at_first(_write_to_pipes),
}
