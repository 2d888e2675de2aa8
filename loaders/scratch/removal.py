"""Removes folders completely, even if a signal arrives meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path


def remove_folder(path: Path) -> None:
    """Remove a folder and all that is in it, or what of it can be removed. A missing folder is fine, and of a link only the link goes.

    An exception that a signal raises meanwhile is passed on after the folder is gone. A second signal ends that, too.
    """
    if path.is_symlink():
        path.unlink()
        return
    try:
        shutil.rmtree(path, ignore_errors=True)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
