"""Files that may be gzipped: run.json or run.json.gz, profile.json or profile.json.gz. Reads both, writes neither."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import msgspec

from feedrate.loaders.errors import FeedrateError

SUFFIX = ".gz"
UNREADABLE = (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a JSON file and decoding it raises if it is absent, damaged, of another form, no text, or nested too deeply."""
MAX_BYTES = 200_000_000
"""Limit for a record, decompressed: a small file from a stranger must not fill the memory."""


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

    Raises OSError like Path.read_bytes, and FeedrateError if the gzip data is damaged or longer than MAX_BYTES. The
    message does not name the file: callers do.
    """
    if path.suffix != SUFFIX:
        return path.read_bytes()
    try:
        with gzip.open(path) as file:
            content = file.read(MAX_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FeedrateError(f"its gzip data is damaged: {error}") from error
    if len(content) > MAX_BYTES:
        raise FeedrateError(f"it decompresses to more than {MAX_BYTES / 1e6:,.0f} MB, the limit for a record")
    return content
