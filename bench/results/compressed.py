"""Files that may be gzipped: run.json or run.json.gz, profile.json or profile.json.gz. Reads both, writes neither."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from pathlib import Path
from typing import IO

import msgspec

from feedrate.loaders.errors import FeedrateError

SUFFIX = ".gz"
UNREADABLE = (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a JSON file and decoding it raises if it is absent, damaged, of another form, no text, or nested too deeply."""
MAX_BYTES = 200_000_000
"""Limit for a record, decompressed: a small file from a stranger must not fill the memory."""
MAX_PLAIN_BYTES = 2_000_000_000
"""Limit for a file as it is."""


def either(folder: Path, name: str) -> Path:
    """The file `name` in `folder`, or its gzipped form if only that exists."""
    plain, gzipped = folder / name, folder / f"{name}{SUFFIX}"
    return gzipped if gzipped.is_file() and not plain.is_file() else plain


def find(folder: Path, name: str) -> list[Path]:
    """Every file `name` in `folder` or below, gzipped or not. A folder that has both counts once, as the plain one."""
    folders = {path.parent for pattern in (name, f"{name}{SUFFIX}") for path in folder.rglob(pattern) if path.is_file()}
    return sorted(either(parent, name) for parent in folders)


def read_bytes(path: Path) -> bytes:
    """The content, decompressed if the name ends in .gz.

    Raises OSError like Path.read_bytes, and FeedrateError for a pipe or device, and if the file is too long or its gzip
    data is damaged. The message does not name the file: callers do.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a pipe would wait for a writer
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise FeedrateError("it is not a regular file")
        if status.st_size > MAX_PLAIN_BYTES:
            raise FeedrateError(
                f"it has {status.st_size / 1e6:,.0f} MB, over the limit of {MAX_PLAIN_BYTES / 1e6:,.0f} MB"
            )
        return _unpacked(file) if path.suffix == SUFFIX else file.read()


def _unpacked(packed: IO[bytes]) -> bytes:
    try:
        with gzip.open(packed) as file:
            content = file.read(MAX_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FeedrateError(f"its gzip data is damaged: {error}") from error
    if len(content) > MAX_BYTES:
        raise FeedrateError(f"it decompresses to more than {MAX_BYTES / 1e6:,.0f} MB, the limit for a record")
    return content
