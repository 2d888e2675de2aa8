"""Makes temporary folders for a library's own format. They are removed even if the process was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Self

_LOCK = ".lock"


class TemporaryFolder:
    """A new folder below the system's folder for temporary files (TMPDIR).

    close() removes it, and so do the end of its `with` block, garbage collection and the end of the process.
    A process that is killed cannot. Its folder is removed when the next one is made: no living process holds its lock.
    """

    def __init__(self) -> None:
        parent = Path(tempfile.gettempdir())
        _remove_abandoned(parent)
        new = Path(tempfile.mkdtemp(prefix="feedrate-new-"))
        lock = _locked(new / _LOCK, os.O_CREAT | os.O_RDWR)
        self.path = new.rename(parent / new.name.replace("new", "temporary", 1))  # from here on it is locked
        """The folder. It exists until close()."""
        self._remove = weakref.finalize(self, _remove_own, self.path, lock, os.getpid())

    def close(self) -> None:
        """Remove the folder with all that is in it. Calling it twice is safe."""
        self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()


def _remove_own(path: Path, lock: int | None, process: int) -> None:
    if os.getpid() == process:  # a forked worker drops its copy of the object, and the folder must stay
        shutil.rmtree(path)
    if lock is not None:
        os.close(lock)


def _remove_abandoned(parent: Path) -> None:
    for path in parent.glob("feedrate-temporary-*"):
        lock = _locked(path / _LOCK, os.O_RDWR)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)  # another process may remove it at the same time
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
