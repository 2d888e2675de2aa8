"""Writes files in one step: a reader sees the old content or the new one, whatever dies meanwhile."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feedrate.loaders.errors import FeedrateError

LOCK_FILE = ".feedrate.lock"
"""Name of the file in a folder that a command holds while it writes there. It is no content of the folder."""
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def write_whole(path: Path, content: bytes) -> None:
    """Replace the file. Raises FeedrateError with the path if it cannot be written, and leaves the old file then."""
    with replacing(path) as scratch:
        scratch.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside the file for the block to write to. It replaces the file at the end, or goes if the block fails.

    Missing folders are created. A pipe or device is written to directly, and its errors stay OSError. Raises FeedrateError with the
    path for errors of the file system.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    target = path.resolve() if path.is_symlink() else path
    scratch = scratch_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(scratch, path):
            try:
                yield scratch
                _flush(scratch)
                scratch.replace(target)
            except BaseException:
                scratch.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise FeedrateError(f"{path} cannot be written: {error.strerror or error}") from error


def scratch_of(path: Path) -> Path:
    """Return the file that becomes `path` when it is complete. A killed process leaves it, and the next one replaces it."""
    return path.with_name(f".{path.name}.new")


@contextmanager
def _locked(scratch: Path, path: Path) -> Iterator[None]:
    """Create the scratch file and hold it. The writer before may rename it between two steps, so they are repeated.

    Raises FeedrateError if another process holds it.
    """
    while True:
        number = os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            if not lock_file(number):
                raise FeedrateError(f"{path} is being written to by another process: wait until it ends")
            if is_at(number, scratch):
                yield
                return
        finally:
            os.close(number)


def is_at(number: int, path: Path) -> bool:
    """Whether the open file is the one that has this path now."""
    try:
        return os.path.samestat(os.fstat(number), path.stat())
    except FileNotFoundError:
        return False


def lock_file(number: int) -> bool:
    """Lock an open file until it is closed. Return False if another process has locked it.

    File systems without locks tell no two writers apart: there the file counts as locked.
    """
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
    return True


def _flush(file: Path) -> None:
    """Wait until the content is on the disk."""
    number = os.open(file, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
