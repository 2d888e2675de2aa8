"""Replaces a folder that cannot be moved, because files in it name their own path: a link points to the old one or the new one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feedrate.bench.host.lifecycle.replaced_folder import clear_up, put_in_place
from feedrate.loaders.scratch.removal import remove_folder


@contextmanager
def in_place_of(path: Path) -> Iterator[Path]:
    """Yield the path of a new folder. If the block succeeds, `path` becomes a link to it, and the folder before is removed.

    The block creates the new folder. No other process may do the same: what killed processes have left is removed, too.
    """
    _remove_others(path)
    new = path.with_name(f".{path.name}.new-{secrets.token_hex(4)}")
    try:
        yield new
        link = new.with_name(f"{new.name}.link")
        link.symlink_to(new.name)
        if path.is_symlink() or not path.exists():
            link.replace(path)
        else:  # an earlier feedrate made a folder
            put_in_place(link, path)
    finally:
        _remove_others(path)


def _remove_others(path: Path) -> None:
    """Remove every new folder to which `path` does not link."""
    clear_up(path)
    for other in path.parent.glob(f".{path.name}.new-*"):
        if other.is_symlink() or not (path.is_symlink() and path.resolve() == other.resolve()):
            remove_folder(other)
