"""Streams of CSV text that PyArrow can split into lines and fields without losing any."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa


class WholeLineEnds(io.RawIOBase):
    """A stream whose blocks never end between a carriage return and a line feed.

    PyArrow 26 drops a line feed that begins a block after a carriage return, even within quotes.
    """

    def __init__(self, stream: pa.NativeFile) -> None:
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

    def __init__(self, stream: pa.NativeFile, separator: str, fields: int) -> None:
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
