"""Streams of CSV text that PyArrow can split into lines and fields without losing any."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import pyarrow as pa

from feedrate.bench.datasets.unpacking import bomb, most_unpacked


class TextStream(Protocol):
    """A stream of text."""

    def read(self, size: int | None = None, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        ...


class TextRange:
    """A stream of some bytes of a file that is not compressed."""

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        self._file, self._left = file, stop - start
        file.seek(start)

    def read(self, size: int | None = None) -> bytes:
        """Return up to `size` bytes."""
        block = self._file.read(self._left if size is None else min(size, self._left))
        self._left -= len(block)
        return block


class BoundedText:
    """A stream of a file that may be compressed. It raises FeedrateError if the file unpacks to far too much."""

    def __init__(self, stream: pa.NativeFile, path: Path) -> None:
        self._stream, self._path = stream, path
        self._most, self._done = most_unpacked(path.stat().st_size), 0

    def read(self, size: int | None = None) -> bytes:
        """Return up to `size` bytes."""
        block = bytes(self._stream.read(size))
        self._done += len(block)
        if self._done > self._most:
            raise bomb(self._path)
        return block


class WholeLineEnds(io.RawIOBase):
    """A stream whose blocks never end between a carriage return and a line feed.

    PyArrow 26 drops a line feed that begins a block after a carriage return, even within quotes.
    """

    def __init__(self, stream: TextStream) -> None:
        self._stream = stream
        self._held = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes. Fewer do not mean the end."""
        block = self._held + bytes(self._stream.read(size - len(self._held) if size > 0 else None))
        self._held = b""
        if len(block) > 1 and block.endswith(b"\r"):
            block, self._held = block[:-1], b"\r"
        return block


class PaddedLines(io.RawIOBase):
    """A stream of lines without quoted fields, to which the separators that they lack at their end are added."""

    def __init__(self, stream: TextStream, separator: str, fields: int) -> None:
        self._stream, self._separator, self._fields = stream, separator.encode(), fields
        self._ready = io.BytesIO()
        self._rest = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes. Fewer do not mean the end."""
        while True:
            piece = self._ready.read(size)
            if piece:
                return piece
            text = bytes(self._stream.read(size if size > 0 else None))
            if not text and not self._rest:
                return b""
            text = self._rest + (text or b"\n")
            end = text.rfind(b"\n") + 1
            text, self._rest = text[:end], text[end:]
            self._ready = io.BytesIO(self._padded(text))

    def _padded(self, text: bytes) -> bytes:
        codes = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(codes == ord("\n"))
        separators = np.flatnonzero(codes == self._separator[0])
        counts = np.diff(np.searchsorted(separators, ends), prepend=0)
        pieces, start = [], 0
        for line in np.flatnonzero(counts < self._fields - 1):
            end = int(ends[line])
            end -= text[end - 1 : end] == b"\r"
            if end > (int(ends[line - 1]) + 1 if line else 0):
                pieces += [text[start:end], self._separator * (self._fields - 1 - int(counts[line]))]
                start = end
        return b"".join([*pieces, text[start:]])
