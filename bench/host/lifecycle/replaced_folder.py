"""Puts a new folder in the place of an old one in one step, and clears up after a process that was killed meanwhile."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from feedrate.loaders.scratch.removal import remove_folder

_HERE = -100
"""AT_FDCWD: paths are relative to the current folder."""
_EXCHANGE = 2
"""RENAME_EXCHANGE of renameat2(2)."""


def partial_of(folder: Path) -> Path:
    """Return where this process writes the new folder."""
    return folder.with_name(f".{folder.name}.partial-{os.getpid()}")


def parts_of(folder: Path) -> Path:
    """Return where finished parts of the new folder are kept, so that a later process can go on from them."""
    return folder.absolute().with_name(f".{folder.absolute().name}.parts")


def put_in_place(new: Path, folder: Path) -> None:
    """Replace the folder, and remove the old one.

    Some file systems cannot exchange two folders. There a process that is killed between two steps leaves the old folder
    under another name, and `clear_up` puts it back.
    """
    if not folder.exists():
        new.rename(folder)
    elif _exchange(new, folder):
        remove_folder(new)  # it is the old one now
    else:
        _replace_in_two_steps(new, folder)


def clear_up(folder: Path, *, keep_parts: bool = False) -> None:
    """Remove what killed processes have left beside the folder. Put the old folder back if none is in place.

    keep_parts: leave finished parts. No other process may be writing to the folder.
    """
    folder = folder.absolute()
    if not folder.parent.is_dir():
        return
    for left in sorted(folder.parent.iterdir()):
        if left.name.startswith(f".{folder.name}.old-") and not folder.exists():
            left.rename(folder)
        elif left.name.startswith((f".{folder.name}.old-", f".{folder.name}.partial-")):
            remove_folder(left)
    if not keep_parts:
        remove_folder(parts_of(folder))


def _replace_in_two_steps(new: Path, folder: Path) -> None:
    """Replace the folder. An error or a signal leaves the old one or the new one in place."""
    old = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    try:
        folder.rename(old)
        new.rename(folder)
    finally:
        if not folder.exists():
            old.rename(folder)
        remove_folder(old)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders. Return False if the system or its file system cannot do that."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError):
        return False
    return bool(renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0)
