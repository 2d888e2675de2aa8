"""Makes temporary folders for a library's own format. They are removed even if the process was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
import weakref
from pathlib import Path
from typing import Self

from feedrate.loaders.scratch.removal import remove_folder

_LOCK = ".lock"
_NEW, _PREFIX = "feedrate-new-", "feedrate_"
"""Short, because paths of sockets may have 107 characters."""
STARTING_S = 60
"""Seconds after which a folder that is not locked yet never will be."""


class TemporaryFolder:
    """A new folder below the system's folder for temporary files (TMPDIR).

    close() removes it, and so do the end of its `with` block, garbage collection and the end of the process.
    A process that is killed cannot. Its folder is removed when the next one is made: no living process holds its lock.
    In a process whose TMPDIR is such a folder itself, the new one lies in it and needs no lock.
    """

    def __init__(self) -> None:
        parent, lock = Path(tempfile.gettempdir()), None
        if parent.name.startswith(_PREFIX):
            self.path = Path(tempfile.mkdtemp(prefix=""))
            """The folder. It exists until close()."""
        else:
            remove_abandoned(parent)
            new = Path(tempfile.mkdtemp(prefix=_NEW))
            lock = _locked(new / _LOCK, os.O_CREAT | os.O_RDWR)
            self.path = new.rename(parent / new.name.replace(_NEW, _PREFIX, 1))  # from here on it is locked
        self._remove = weakref.finalize(self, _remove_own, self.path, lock, os.getpid())

    def close(self) -> None:
        """Remove the folder with all that is in it. Calling it twice is safe."""
        self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()


def remove_abandoned(parent: Path | None = None) -> None:
    """Remove the folders of processes that were killed. parent: the system's folder for temporary files by default."""
    parent = parent or Path(tempfile.gettempdir())
    for path in parent.glob(f"{_PREFIX}*"):
        lock = _locked(path / _LOCK, os.O_RDWR)
        if lock is not None:
            remove_folder(path)  # another process may remove it at the same time
            os.close(lock)
    for path in parent.glob(f"{_NEW}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STARTING_S:
                remove_folder(path)


def _remove_own(path: Path, lock: int | None, process: int) -> None:
    if os.getpid() == process:  # a forked worker drops its copy of the object, and the folder must stay
        remove_folder(path)
    if lock is not None:
        os.close(lock)


def _locked(file: Path, flags: int) -> int | None:
    """Lock a file and return its descriptor. None: it is locked, missing, another user's, or cannot be locked here."""
    try:
        descriptor = os.open(file, flags, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
