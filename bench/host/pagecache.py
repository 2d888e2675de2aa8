"""The page cache's share of some files: made warm or cold without root, and looked at page by page."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Sequence
from pathlib import Path

from feedrate.bench.results.spec import Cache

CHUNK_BYTES = 16 << 20


def make(files: Sequence[Path], state: Cache) -> float | None:
    """Bring the files into or out of the cache; the fraction that is then resident, None where that cannot be seen.

    cold is posix_fadvise(POSIX_FADV_DONTNEED), which is advice: pages that are dirty or mapped elsewhere stay.
    """
    for file in files:
        with file.open("rb", buffering=0) as stream:
            if state == "warm":
                while stream.read(CHUNK_BYTES):
                    pass
            else:
                os.fdatasync(stream.fileno())
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return resident_fraction(files)


def resident_fraction(files: Sequence[Path]) -> float | None:
    """Pages of the files in the page cache over all their pages, by mincore(2)."""
    mincore = getattr(ctypes.CDLL(None, use_errno=True), "mincore", None)
    if mincore is None:
        return None
    mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
    pages = resident = 0
    for file in files:
        size = file.stat().st_size
        if not size:
            continue
        count = -(-size // mmap.PAGESIZE)
        found = ctypes.create_string_buffer(count)
        with (
            file.open("rb") as stream,
            mmap.mmap(stream.fileno(), size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE) as view,
        ):
            # a private writable mapping is what ctypes can take the address of; nothing is written
            anchor = ctypes.c_char.from_buffer(view)
            failed = mincore(ctypes.addressof(anchor), size, found)
            del anchor
        if failed:
            return None
        pages += count
        resident += sum(byte & 1 for byte in found.raw)
    return resident / pages if pages else None
