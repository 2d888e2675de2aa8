"""The file of a part: what its work has made, piece by piece. It is whole once it has its name, so it is done only once.

Pieces are pickled, and Arrow tables in them lie beside that, so that a reader maps only the tables that it wants. The folder
belongs to the user alone: feedrate unpickles nothing that another user could have written.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from typing import IO, Any

import pyarrow as pa

from feedrate.loaders.errors import FeedrateError

_NUMBER_BYTES = 8


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table in the file of a part."""

    file: Path
    offset: int
    rows: int

    def load(self) -> pa.Table:
        """Return the table, mapped into memory."""
        mapped = pa.memory_map(str(self.file))
        mapped.seek(self.offset)
        return pa.ipc.open_stream(mapped).read_all()


def write_part(file: Path, pieces: Iterable[Any]) -> None:
    """Write the pieces as they come, and give the file its name at the end. Leaves nothing if that fails."""
    partial = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        with partial.open("wb") as content:
            offsets = [_write_piece(content, piece) for piece in pieces]
            ends = content.tell()
            pickle.dump(offsets, content)
            content.write(ends.to_bytes(_NUMBER_BYTES, "little"))
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)


def read_part(file: Path) -> Iterator[Any]:
    """Yield the pieces of a part, with a StoredTable for each Arrow table."""
    with file.open("rb") as content:
        content.seek(-_NUMBER_BYTES, os.SEEK_END)
        content.seek(int.from_bytes(content.read(_NUMBER_BYTES), "little"))
        for offset in pickle.load(content):
            content.seek(offset)
            yield _Unpickler(content, file).load()


def digest(*contents: bytes) -> str:
    """Return what tells parts apart: equal contents have equal digests."""
    total = hashlib.blake2b(digest_size=12)
    for content in contents:
        total.update(len(content).to_bytes(_NUMBER_BYTES, "little"))
        total.update(content)
    return total.hexdigest()


def own_folder(folder: Path) -> None:
    """Create the folder of the parts for this user alone. Raises FeedrateError if another user has made one, or it is a file."""
    if not folder.is_symlink() and not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise FeedrateError(f"{folder} is not a folder that only you can write to: remove it, or choose another -o")


def finished_parts(folder: Path) -> int:
    """Return how many parts of all stages are finished."""
    return sum(1 for _ in folder.glob(f"*/{'[0-9]' * 7}-{'?' * 24}"))


def _write_piece(content: IO[bytes], piece: Any) -> int:
    """Write the tables of a piece, then the piece. Return where that begins."""
    pickled = io.BytesIO()
    _Pickler(pickled, content).dump(piece)
    offset = content.tell()
    content.write(pickled.getbuffer())
    return offset


class _Pickler(pickle.Pickler):
    def __init__(self, pickled: IO[bytes], content: IO[bytes]) -> None:
        super().__init__(pickled, pickle.HIGHEST_PROTOCOL)
        self._content = content

    def persistent_id(self, value: Any) -> tuple[int, int] | None:
        if not isinstance(value, pa.Table):
            return None
        offset = self._content.tell()
        with pa.ipc.new_stream(self._content, value.schema) as stream:
            stream.write_table(value)
        return offset, value.num_rows


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: IO[bytes], file: Path) -> None:
        super().__init__(content)
        self._file = file

    def persistent_load(self, place: tuple[int, int]) -> StoredTable:
        return StoredTable(self._file, *place)
