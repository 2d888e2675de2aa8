"""The file of a part: what its work has made, piece by piece. It is whole once it has its name, so it is done only once.

Pieces are pickled. The folder belongs to the user alone, and feedrate reads nothing from it that another user could have written.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from feedrate.loaders.errors import FeedrateError


def write_part(file: Path, pieces: Iterable[Any]) -> None:
    """Write the pieces as they come, and give the file its name at the end. Leaves nothing if that fails."""
    partial = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        with partial.open("wb") as content:
            for piece in pieces:
                pickle.dump(piece, content, pickle.HIGHEST_PROTOCOL)
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)


def read_part(file: Path) -> Iterator[Any]:
    """Yield the pieces of a part."""
    with file.open("rb") as content:
        end = os.fstat(content.fileno()).st_size
        while content.tell() < end:
            yield pickle.load(content)


def digest(*contents: bytes) -> str:
    """Return what tells parts apart: equal contents have equal digests."""
    total = hashlib.blake2b(digest_size=12)
    for content in contents:
        total.update(len(content).to_bytes(8, "little"))
        total.update(content)
    return total.hexdigest()


def own_folder(folder: Path) -> None:
    """Create the folder of the parts for this user alone. Raises FeedrateError if another user has made one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022 or folder.is_symlink():
        raise FeedrateError(f"{folder} is not a folder that only you can write to: remove it, or choose another -o")


def finished_parts(folder: Path) -> int:
    """Return how many parts of all stages are finished."""
    return sum(1 for _ in folder.glob(f"*/{'[0-9]' * 7}-{'?' * 24}"))
