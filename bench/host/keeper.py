"""Runs a command, and ends every process that descends from it as soon as the command or feedrate itself ends.

It is a process between feedrate and the command, because orphans are handed to the nearest ancestor that asks for them.
So it finds all descendants, in whatever session, and it also ends them if feedrate was killed.
It is started as a script without site-packages: `keeper.py LIFELINE REPORT COMMAND...`.

LIFELINE: number of a pipe's reading end. Whatever arrives there, its end included, ends the command.
REPORT: number of a pipe's writing end. The command's process id is written to it, and at the end "EXIT_CODE STOPPED".
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
ENDING_S = 5.0
"""Seconds for which descendants are killed again and again. A process that waits for a broken disk cannot be killed."""
LOOK_EVERY_S = 1.0
"""Seconds between two looks at the parent's process id."""
CANNOT_START = 127
"""Exit code if the command cannot be started, as in a shell."""


def adopt_orphans() -> bool:
    """Make this process the parent of descendants that lose theirs. Returns False if the system is not Linux."""
    return _prctl(PR_SET_CHILD_SUBREAPER, 1)


def main() -> None:
    """Run the command of the arguments to its end, or until the lifeline says so."""
    lifeline, report, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    os.set_inheritable(lifeline, False)
    os.set_inheritable(report, False)
    adopt_orphans()
    wake = _wake_on_signals()
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        _become(command, keeper)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):  # the pipes end when the command's processes have closed them
        os.dup2(nothing, number)
    _write(report, f"{child}\n")
    code, stopped = _wait(child, lifeline, wake)
    _end_descendants(child)
    _write(report, f"{code} {int(stopped)}\n")


def _prctl(option: int, value: int) -> bool:
    try:
        return bool(ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0) == 0)
    except (AttributeError, OSError):
        return False


def _wake_on_signals() -> int:
    """Return a file descriptor that receives the number of each signal that matters."""
    wake, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_signal: None)
    return wake


def _become(command: list[str], keeper: int) -> None:
    """Replace this process by the command, in a session of its own. It dies if the keeper does."""
    try:
        os.setsid()
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == keeper:
            os.execv(command[0], command)
    except OSError as error:
        _write(2, f"cannot start {command[0]}: {error}\n")
    finally:
        os._exit(CANNOT_START)


def _wait(child: int, lifeline: int, wake: int) -> tuple[int, bool]:
    """Return the command's exit code, negative for a signal, and whether it ended only because the keeper stopped it."""
    stopped, feedrate = False, os.getppid()
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while True:
        ready = {number for number, _event in poll.poll(LOOK_EVERY_S * 1e3)}
        signals = os.read(wake, 512) if wake in ready else b""
        if (code := _reap(child)) is not None:
            return code, stopped and code == -signal.SIGKILL
        lost = os.getppid() != feedrate  # a process that feedrate forked may hold the lifeline open
        if lost or lifeline in ready or set(signals) - {signal.SIGCHLD}:
            os.kill(child, signal.SIGKILL)
            stopped = True
            with contextlib.suppress(KeyError):
                poll.unregister(lifeline)


def _reap(child: int | None = None) -> int | None:
    """Collect every child that has ended, orphans included. Return the exit code of `child` if it is among them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
    return code


def _end_descendants(child: int) -> None:
    """Kill all descendants. Without /proc, kill the command's process group."""
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    deadline = time.monotonic() + ENDING_S
    while (pids := _descendants()) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
        _reap()


def _descendants() -> set[int]:
    """Process ids of all descendants of this process."""
    parents: dict[int, int] = {}
    names = os.listdir("/proc") if os.path.isdir("/proc") else []
    for name in filter(str.isdigit, names):
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
            parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    found: set[int] = set()
    new = {os.getpid()}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new}
        found |= new
    return found


def _write(number: int, text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it any more
        os.write(number, text.encode())


if __name__ == "__main__":
    main()
