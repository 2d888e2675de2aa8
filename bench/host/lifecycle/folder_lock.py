"""Lets one process at a time write to a folder. The lock ends with its process, however that ends.

The lock is flock(2) on a hidden file, which also says who holds it. A file without a process behind it locks nothing.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from feedrate.bench.results.whole_file import LOCK_FILE, is_at, lock_file
from feedrate.bench.timing.clock import utc
from feedrate.loaders.error_text import one_line
from feedrate.loaders.errors import FeedrateError, require_no_file

ATTEMPTS = 100
"""Attempts to open a lock file that its previous holder is removing."""
_MAX_BYTES = 4096


class Holder(msgspec.Struct, frozen=True):
    """Content of a lock file: the process that holds the lock."""

    pid: int
    host: str
    command: str
    since: str
    """UTC, ISO 8601."""

    def __str__(self) -> str:
        here = "" if self.host == platform.node() else f" on {one_line(self.host, 40)}"
        return f"process {self.pid}{here} (`{one_line(self.command, 80)}`, since {one_line(self.since, 30)})"


@contextmanager
def only_writer(folder: Path, *, replaced: bool = False, way_out: str = "choose another -o") -> Iterator[None]:
    """Hold the folder while the block runs, and create it if it is missing. An empty new folder is removed at the end.

    replaced: the block creates or replaces the whole folder, so the lock file lies beside it and no folder is created.
    way_out: what else one can do than wait, for the error.

    Raises FeedrateError with the process that holds the folder, or with the reason if the folder cannot be written to.
    """
    require_no_file("-o", folder)
    folder = folder.absolute()
    path = folder.with_name(f".{folder.name}.lock") if replaced else folder / LOCK_FILE
    new_folders = [parent for parent in path.parents if not parent.exists()]
    try:
        try:
            lock = _acquire(path, folder, way_out)
        except OSError as error:  # a full disk, a read-only file system
            raise FeedrateError(f"{folder} cannot be written to: {error.strerror or error}") from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(lock)
    finally:
        for new in new_folders:
            with contextlib.suppress(OSError):  # it is no longer empty
                new.rmdir()


def _acquire(path: Path, folder: Path, way_out: str) -> int:
    """Return the open, locked lock file. The holder before may remove it between two steps, so they are repeated."""
    for _ in range(ATTEMPTS):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except FileNotFoundError:  # the holder before has removed the folder
            continue
        if not lock_file(lock):
            holder = _holder(lock)
            os.close(lock)
            raise FeedrateError(
                f"{folder} is being written to by {holder or 'another process'}: wait until it ends, or {way_out}"
            )
        if is_at(lock, path):
            try:
                os.truncate(lock, 0)
                os.write(lock, _own_entry())
            except OSError:
                path.unlink()
                os.close(lock)
                raise
            return lock
        os.close(lock)
    raise FeedrateError(f"{path} cannot be locked: other processes keep removing it")


def _holder(lock: int) -> Holder | None:
    """Read who holds the lock; None if it is unknown. The holder writes its entry just after it has locked the file."""
    for _ in range(10):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.json.decode(os.pread(lock, _MAX_BYTES, 0), type=Holder)
        time.sleep(0.02)
    return None


def _own_entry() -> bytes:
    command = one_line(" ".join(["feedrate", *sys.argv[1:]]), 200)
    return msgspec.json.encode(Holder(os.getpid(), platform.node(), command, utc())) + b"\n"
