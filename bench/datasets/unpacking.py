"""How much a compressed file of text may unpack to: a small file from a stranger must not fill the disk or the memory."""

from __future__ import annotations

import gzip
from pathlib import Path

from feedrate.loaders.errors import FeedrateError

SMALL_BYTES, MAX_RATIO = 100_000_000, 100
"""What unpacks to more than that may be at most so many times as large as it is packed. Ratings shrink to a fourth."""
_GZIP_RATIO = 1032
"""The most that gzip can shrink a file by."""
_CHUNK_BYTES = 1 << 20


def most_unpacked(packed_bytes: int) -> int:
    """Return how many bytes a compressed file may unpack to."""
    return max(SMALL_BYTES, MAX_RATIO * packed_bytes)


def bomb(path: Path) -> FeedrateError:
    """The error for a file that unpacks to more."""
    packed = path.stat().st_size
    return FeedrateError(
        f"{path} unpacks from {packed:,} to more than {most_unpacked(packed):,} bytes, which no usual table does: "
        "unpack it yourself if it is right"
    )


def refuse_gzip_bomb(path: Path) -> None:
    """Raise FeedrateError for a gzipped file that unpacks to more. It is read only if its size allows for that."""
    packed = path.stat().st_size
    most, done = most_unpacked(packed), 0
    if packed * _GZIP_RATIO <= most:
        return
    with gzip.open(path) as file:
        while chunk := len(file.read(_CHUNK_BYTES)):
            done += chunk
            if done > most:
                raise bomb(path)
