"""A pipe, a device, a folder, a socket or a link in the place of a file."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from random import Random


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 3 << 30)


KINDS: tuple[Callable[[Path], object], ...] = (
    os.mkfifo,
    lambda path: path.symlink_to("/dev/zero"),
    lambda path: path.symlink_to("/dev/null"),
    lambda path: path.symlink_to("/proc/self/mem"),
    lambda path: path.symlink_to(path.name),
    lambda path: path.symlink_to("nowhere"),
    lambda path: path.symlink_to("/etc/passwd"),
    lambda path: path.symlink_to("."),
    lambda path: path.mkdir(),
    lambda path: path.touch(),
    _socket,
    _sparse,
)


def put_strange_file(rng: Random, path: Path) -> None:
    """Replace the file, or leave it out."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if rng.random() < 0.9:
        rng.choice(KINDS)(path)
