"""A limit for the memory of all processes of a trial together: a control group of Linux (cgroup, version 1 or 2).

What counts is what the kernel counts: memory of the processes, shared memory, and the files' pages that they brought into the
page cache. The kernel drops such pages when the limit is near. When nothing is left to drop, it kills a process of the group.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from feedrate.bench.host.memory import enter
from feedrate.bench.results.parts.memory import LimitRecord
from feedrate.loaders.errors import FeedrateError

ROOT = Path("/sys/fs/cgroup")
REMOVAL_S = 5.0
"""Seconds within which a group whose processes have ended can be removed."""
PEAK_FILES = ("memory.peak", "memory.max_usage_in_bytes")


@dataclass(frozen=True, slots=True)
class Group:
    """A control group for one trial."""

    folder: Path
    limit_bytes: int

    def command(self, command: Sequence[str]) -> list[str]:
        """Return a command that enters the group and becomes the given one."""
        return [sys.executable, "-I", "-S", enter.__file__, str(self.folder), *command]

    def record(self) -> LimitRecord:
        """Return what the kernel has counted so far."""
        peaks = [self.folder / name for name in PEAK_FILES if (self.folder / name).exists()]
        counts = _counts(self.folder / "memory.stat")
        kills = max(_counts(self.folder / name).get("oom_kill", 0) for name in ("memory.events", "memory.oom_control"))
        return LimitRecord(
            limit_bytes=self.limit_bytes,
            peak_bytes=int(peaks[0].read_text()) if peaks else None,
            kills=kills,
            refault_bytes=counts.get("workingset_refault_file", 0) * os.sysconf("SC_PAGE_SIZE"),
        )


@contextmanager
def limited(limit_bytes: int) -> Iterator[Group]:
    """Yield a group with this limit and without swap, and remove it at the end. Its processes must have ended then.

    Raises FeedrateError if this user may not create one.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="feedrate-", dir=_parent()))
    except OSError as error:
        _refuse(error)
    try:
        try:
            _set_limit(folder, limit_bytes)
        except OSError as error:
            _refuse(error)
        yield Group(folder, limit_bytes)
    finally:
        _remove(folder)


def require_limits(limit_bytes: int | None) -> None:
    """Raise FeedrateError if this user may not limit memory on this machine. Does nothing without a limit."""
    if limit_bytes is not None:
        with limited(limit_bytes):
            pass


def _parent() -> Path:
    """Return the group in which groups with memory limits can be created: this process's own one."""
    names: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        names.update(dict.fromkeys(controllers.split(","), path))
    if "memory" in names:
        own = ROOT / "memory" / names["memory"].lstrip("/")
        return own if own.is_dir() else ROOT / "memory"
    own = ROOT / names[""].lstrip("/")
    _hand_down(own)
    return own


def _hand_down(group: Path) -> None:
    """Let the groups within a group of version 2 limit memory. It may hold no process itself then, so feedrate moves down."""
    if "memory" in (group / "cgroup.subtree_control").read_text().split():
        return
    try:
        (group / "cgroup.subtree_control").write_text("+memory")
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        below = group / "feedrate"
        below.mkdir(exist_ok=True)
        (below / "cgroup.procs").write_text(str(os.getpid()))
        (group / "cgroup.subtree_control").write_text("+memory")


def _set_limit(folder: Path, limit_bytes: int) -> None:
    """Set the limit, and leave no swap beyond it. Version 2 counts swap alone, version 1 both together."""
    limit, swap, swap_bytes = "memory.max", "memory.swap.max", 0
    if not (folder / limit).exists():
        limit, swap, swap_bytes = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", limit_bytes
    (folder / limit).write_text(str(limit_bytes))
    with contextlib.suppress(OSError):  # the kernel may count no swap
        (folder / swap).write_text(str(swap_bytes))


def _counts(file: Path) -> dict[str, int]:
    """Return the numbers of a file with a name and a number on each line. Empty if there is no such file."""
    if not file.exists():
        return {}
    return {name: int(number) for name, number in (line.split() for line in file.read_text().splitlines())}


def _remove(folder: Path) -> None:
    """Remove a group. The kernel refuses while it still takes down a process that has ended."""
    end = time.monotonic() + REMOVAL_S
    while True:
        try:
            return folder.rmdir()
        except OSError:
            if time.monotonic() > end:
                return None
            time.sleep(0.01)


def _refuse(error: OSError) -> NoReturn:
    raise FeedrateError(
        f"--limit-memory needs a control group of its own, and the system refuses one ({error.strerror}: {error.filename}): "
        "run as root, or start it with `systemd-run --user --scope -p Delegate=yes feedrate run ...`"
    ) from error
