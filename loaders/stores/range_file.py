"""A file in an object store that libraries read like a local one, by ranges that are fetched ahead and side by side."""

from __future__ import annotations

import io
from concurrent.futures import Future
from dataclasses import dataclass

from feedrate.loaders.stores.stored_object import StoredObject
from feedrate.loaders.stores.traffic import traffic

PART_BYTES = 8 << 20
"""Bytes of a request. Amazon advises 8 to 16 MB."""
LEAST_BYTES = 64 << 10
"""Bytes that are fetched for a short read: the next reads often want what follows."""


@dataclass(frozen=True, slots=True)
class _Part:
    begin: int
    end: int
    content: Future[bytes]


class RangeFile(io.RawIOBase):
    """Reads of what ahead() was told are answered from there. Any other read is a request of its own."""

    def __init__(self, stored: StoredObject) -> None:
        self._stored, self._position = stored, 0
        self._parts: list[_Part] = []

    def ahead(self, begin: int, end: int) -> None:
        """Begin to fetch bytes begin..end (exclusive), in place of those that were fetched ahead before."""
        starts = range(begin, end, PART_BYTES)
        bounds = [(start, min(start + PART_BYTES, end)) for start in starts]
        self._parts = [_Part(start, stop, self._stored.start(start, stop)) for start, stop in bounds]

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer from the current position on, and return how many bytes there were."""
        begin = self._position
        end = min(begin + len(buffer), self._stored.size)
        at = begin
        while at < end:
            part = next((part for part in self._parts if part.begin <= at < part.end), None) or self._fetched(at, end)
            content = self._waited(part)
            stop = min(part.end, end)
            buffer[at - begin : stop - begin] = memoryview(content)[at - part.begin : stop - part.begin]
            at = stop
        self._position = end if end > begin else begin
        return max(end - begin, 0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, relative to the start, the position or the end."""
        self._position = offset + (0, self._position, self._stored.size)[whence]
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Drop what was fetched ahead, and requests that are not sent yet."""
        for part in self._parts:
            part.content.cancel()
        self._parts = []
        super().close()

    def _fetched(self, begin: int, end: int) -> _Part:
        """Fetch what nobody has announced, in parts side by side, and return the first one."""
        end = min(max(end, begin + LEAST_BYTES), self._stored.size)
        ahead = [part for part in self._parts if part.begin > begin]
        if ahead:
            end = min(end, ahead[0].begin)
        bounds = [(start, min(start + PART_BYTES, end)) for start in range(begin, end, PART_BYTES)]
        parts = [_Part(start, stop, self._stored.start(start, stop)) for start, stop in bounds]
        self._parts = sorted([*self._parts, *parts], key=lambda part: part.begin) if ahead else parts
        return parts[0]

    @staticmethod
    def _waited(part: _Part) -> bytes:
        if part.content.done():
            return part.content.result()
        with traffic().waiting():
            return part.content.result()
