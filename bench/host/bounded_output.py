"""Reads a pipe to its end and keeps only the beginning and the end of what came, however much it is."""

from __future__ import annotations

import os
import threading
from collections import deque

HEAD_BYTES = 64 << 10
TAIL_BYTES = 192 << 10
"""Bytes kept from the beginning and from the end of the output."""
READ_BYTES = 64 << 10


class BoundedOutput:
    """Collects the head and the tail of a stream."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._left_out = 0

    def add(self, content: bytes) -> None:
        """Append bytes. What lies between the head and the tail is dropped."""
        room = HEAD_BYTES - len(self._head)
        self._head += content[:room]
        if rest := content[room:] if room > 0 else content:
            self._tail.append(rest)
            self._tail_bytes += len(rest)
        while self._tail_bytes > TAIL_BYTES:
            excess = self._tail_bytes - TAIL_BYTES
            first = self._tail.popleft()
            if len(first) > excess:
                self._tail.appendleft(first[excess:])
            dropped = min(len(first), excess)
            self._tail_bytes -= dropped
            self._left_out += dropped

    @property
    def nbytes(self) -> int:
        """Bytes that came, kept or not."""
        return len(self._head) + self._tail_bytes + self._left_out

    def content(self) -> bytes:
        """Return the head and the tail, and between them a line that says how much was left out."""
        gap = f"\n[... {self._left_out:,} bytes left out ...]\n".encode() if self._left_out else b""
        return bytes(self._head) + gap + b"".join(self._tail)


class DrainedPipe:
    """Empties a pipe in a thread, so that whoever writes to it never waits for long and no disk fills up."""

    def __init__(self, pipe: int) -> None:
        """Start to read. pipe: a file descriptor, which is closed at the end."""
        self._pipe, self._output, self._lock = pipe, BoundedOutput(), threading.Lock()
        self._thread = threading.Thread(target=self._drain, name="feedrate output", daemon=True)
        self._thread.start()

    def content(self, patience_s: float = 1.0) -> bytes:
        """Return what came so far. Waits up to patience_s seconds for the end: a foreign process may hold the pipe open."""
        self._thread.join(patience_s)
        with self._lock:
            return self._output.content()

    @property
    def nbytes(self) -> int:
        """Bytes that came so far, kept or not."""
        with self._lock:
            return self._output.nbytes

    def _drain(self) -> None:
        with open(self._pipe, "rb", buffering=0) as pipe:
            while content := os.read(pipe.fileno(), READ_BYTES):
                with self._lock:
                    self._output.add(content)
