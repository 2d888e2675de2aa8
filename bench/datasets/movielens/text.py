"""Text files as they are around: plain or gzipped, in UTF-8 or Latin-1, with a byte order mark or without."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

from feedrate.bench.datasets.unpacking import refuse_gzip_bomb
from feedrate.loaders.errors import FeedrateError

GZIP_MAGIC = b"\x1f\x8b"
MAX_LINE_BYTES = 10_000
"""Length of the line that names the columns. MovieLens' own has 32 bytes."""
MAX_TEXT_BYTES = 30_000_000
"""Size of a text that is read as a whole, unpacked. MovieLens-32M's list of movies has 4 MB."""


@contextmanager
def open_plain(path: Path) -> Iterator[BufferedIOBase]:
    """Open a file that may be gzipped. Raises FeedrateError if it cannot be read, or unpacks to far too much."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP_MAGIC
        if packed:
            refuse_gzip_bomb(path)
        with gzip.open(path) if packed else path.open("rb") as content:
            yield content
    except (OSError, EOFError, zlib.error) as error:
        raise FeedrateError(f"{path} cannot be read ({error}). Download or write it again") from error


def require_short_line(content: BufferedIOBase, path: Path) -> None:
    """Raise FeedrateError if the first line, which names the columns, is too long: Polars takes gigabytes for some."""
    if len(content.readline(MAX_LINE_BYTES + 1)) > MAX_LINE_BYTES:
        raise FeedrateError(
            f"{path} has a first line of more than {MAX_LINE_BYTES / 1e3:g} kB: it must name userId, movieId and rating"
        )


def read_text(path: Path) -> str:
    """Return the file's text: UTF-8, without a byte order mark, or Latin-1 if it is not valid UTF-8."""
    with open_plain(path) as file:
        content = file.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES:
        raise FeedrateError(f"{path} has more than {MAX_TEXT_BYTES / 1e6:g} MB of text: that is no list of movies")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
