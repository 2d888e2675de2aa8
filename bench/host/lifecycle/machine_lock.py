"""Warns a process if another one is timing loaders on the same machine. The lock is advisory: both may run, but slower.

The lock is the name of a Unix socket that belongs to no file. The first process has the name until it ends, and the
kernel tells the others its process id.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from feedrate.loaders.error_text import one_line

NAME = "\0feedrate times loaders"
"""An abstract name: all users of a network namespace share it. Containers usually have one of their own."""
POLL_S = 0.5


@contextmanager
def timing(*, wait: bool, say: Callable[[str], None], name: str = NAME) -> Iterator[None]:
    """Hold the machine's lock while the block runs, if it is free.

    wait: wait until it is free. say: called with a sentence if another process holds it.
    """
    with socket.socket(socket.AF_UNIX) as lock:
        if not _take(lock, name):
            other = _holder(name)
            if wait:
                say(f"waiting for {other} to end: it is timing loaders on this machine")
                while not _take(lock, name):
                    time.sleep(POLL_S)
            else:
                say(
                    f"{other} is timing loaders on this machine, too, so both are slower: pass --wait to start after it ends"
                )
        yield


def _take(lock: socket.socket, name: str) -> bool:
    try:
        lock.bind(name)
    except OSError as error:  # if names cannot be used here, nobody is waited for
        return error.errno != errno.EADDRINUSE
    lock.listen()
    return True


def _holder(name: str) -> str:
    """Describe the process that has the name."""
    with socket.socket(socket.AF_UNIX) as asking, contextlib.suppress(OSError):
        asking.setblocking(False)
        asking.connect(name)
        pid, _uid, _gid = struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return f"process {pid}{_command(pid)}"
    return "another process"


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        return f" (`{one_line(os.fsdecode(b' '.join(words)), 120)}`)"
    return ""
