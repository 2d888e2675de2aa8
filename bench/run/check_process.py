"""The worker process of a check, seen from outside: its messages, its output, and how it ended."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from typing import IO

import msgspec

from feedrate.bench.host.kept_process import Ended, KeptProcess
from feedrate.bench.host.lifecycle.search_path import module_command
from feedrate.bench.host.processes import how_it_died
from feedrate.bench.run.check_messages import CheckMessage, CheckTask

START_S = 180.0
"""Seconds of silence that are allowed while torch is imported."""
PATIENCE_S = 5.0
"""Seconds that a worker has to end after its last message."""
POLL_S = 1.0
"""Seconds to wait for what is left to read when the worker has ended or closed its pipe."""
MAX_MESSAGE_BYTES = 1 << 20
"""Longest line that a worker may send. A longer one is no message."""
OUTPUT_BYTES = 4096
"""Bytes that are kept of what the loader prints: the last ones."""


class CheckWorker:
    """A worker in a session of its own, which is killed as a group in the end."""

    def __init__(self, python: str, task: CheckTask, timeout_s: float) -> None:
        """Start the worker. timeout_s: seconds of silence after which it is stopped, once torch is imported."""
        self.rule: str | None = "opens"
        """The rule in progress. None between two rules."""
        self.began = False
        """Whether a rule was begun, or had a result from an earlier worker."""
        self.done = False
        """Whether all rules have results."""
        self.python: str | None = None
        """The interpreter that the worker asks for instead."""
        self.deviations: Mapping[str, str] = {}
        self.output = b""
        """The last of what was printed, at most OUTPUT_BYTES."""
        self._place, self._timeout_s, self._timed_out = "while its process was started", timeout_s, False
        self._ended: Ended | None = None
        self._events: queue.SimpleQueue[bytes | Ended] = queue.SimpleQueue()
        self._child = KeptProcess(module_command(python, "feedrate.bench.run.check_worker"), self._events.put)
        threading.Thread(target=self._read, args=(self._child.stdout,), daemon=True).start()
        self._child.send(msgspec.json.encode(task))

    def messages(self) -> Iterator[CheckMessage]:
        """Yield the worker's messages until it is done, has died or is silent for too long."""
        patience_s = max(START_S, self._timeout_s)
        while not self.done and (line := self._next_line(patience_s)) is not None:
            try:
                message = msgspec.json.decode(line, type=CheckMessage)
            except (msgspec.DecodeError, UnicodeDecodeError):  # the loader wrote into the pipe
                return
            patience_s = self._timeout_s
            self._note(message)
            yield message
            if message.python is not None or message.error is not None:
                return

    def end(self) -> None:
        """Wait a little for the worker to end by itself, and kill what it has left."""
        ended = self._child.end(0.0 if self._timed_out else PATIENCE_S)
        self._ended = self._ended or ended
        self.output = self._child.stderr.content()[-OUTPUT_BYTES:]

    def death(self) -> str:
        """Describe how the worker ended that did not finish its rule. Call it after end()."""
        if self._timed_out:
            return f"it reported nothing for {self._timeout_s:g} s and was stopped {self._place}"
        if self._ended is None or self._ended.stopped:
            return f"it closed feedrate's pipe or wrote into it {self._place}"
        if self._ended.code is not None and self._ended.code >= 0:
            return f"its process exited with code {self._ended.code} {self._place}"
        return f"{how_it_died(self._ended.code)} {self._place}"

    def _note(self, message: CheckMessage) -> None:
        if message.backend is not None:
            self.deviations = message.deviations
        if message.rule is not None:
            self.rule, self.began = message.rule, True
        if message.place is not None:
            self._place = message.place
        if message.result is not None:
            self.rule, self.began = None, True
        if message.done:
            self.rule, self.done = None, True
        if message.python is not None:
            self.rule, self.python = None, message.python

    def _next_line(self, patience_s: float) -> bytes | None:
        """Return the next line, or None if the worker has died, closed its pipe or was silent for too long."""
        closed = False
        while not (closed and self._ended):
            try:
                # a process of the loader's may keep the pipe open after the worker's end
                event = self._events.get(timeout=POLL_S if closed or self._ended else patience_s)
            except queue.Empty:
                self._timed_out = not closed and self._ended is None
                return None
            if isinstance(event, Ended):
                self._ended = event
            elif event:
                return event
            else:
                closed = True
        return None

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(MAX_MESSAGE_BYTES):
                self._events.put(line)
        self._events.put(b"")
