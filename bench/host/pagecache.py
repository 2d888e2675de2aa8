"""Warms or empties the page cache for some files, without root, and measures which fraction of them it holds."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Sequence
from pathlib import Path

from feedrate.bench.results.spec import Cache

CHUNK_BYTES = 16 << 20


def make(files: Sequence[Path], state: Cache) -> float | None:
    """Bring the files into the page cache ("warm") or drop them from it ("cold").

    Returns the fraction that is resident afterwards, or None if that cannot be measured. Cold uses
    posix_fadvise(POSIX_FADV_DONTNEED), which is only advice: pages that are dirty or mapped elsewhere stay.
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
    """Return the fraction of the files' pages that the page cache holds, as reported by mincore(2).

    Returns None if mincore is missing or fails, or if all the files are empty.
    """
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
        residency = ctypes.create_string_buffer(count)
        with (
            file.open("rb") as stream,
            mmap.mmap(stream.fileno(), size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE) as view,
        ):
            # ctypes can only take the address of a writable mapping: it is private, and nothing is written
            anchor = ctypes.c_char.from_buffer(view)
            failed = mincore(ctypes.addressof(anchor), size, residency)
            del anchor
        if failed:
            return None
        pages += count
        resident += sum(byte & 1 for byte in residency.raw)
    return resident / pages if pages else None
