"""The worker process of a check, seen from outside: its messages, its output, and how it ended."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from typing import IO

import msgspec

from feedrate.bench.host.processes import end_group, how_it_died
from feedrate.bench.run.check_messages import CheckMessage, CheckTask

START_S = 180.0
"""Seconds of silence that are allowed while torch is imported."""
PATIENCE_S = 5.0
"""Seconds that a worker has to end after its last message."""
POLL_S = 0.2
"""Seconds between two looks at whether the worker lives. A process of the loader's may keep its pipe open."""
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
        self._code: int | None = None
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._child = subprocess.Popen(
            [python, "-m", "feedrate.bench.run.check_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches the command alone, which then ends the whole group
        )
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write(msgspec.json.encode(task))
            self._child.stdin.close()
        for work, pipe in ((self._read, self._child.stdout), (self._drain, self._child.stderr)):
            assert pipe is not None
            self._threads.append(threading.Thread(target=work, args=(pipe,), daemon=True))
            self._threads[-1].start()

    def messages(self) -> Iterator[CheckMessage]:
        """Yield the worker's messages until it is done, has died or is silent for too long."""
        patience_s = max(START_S, self._timeout_s)
        while not self.done and (line := self._next_line(patience_s)) is not None:
            try:
                message = msgspec.json.decode(line, type=CheckMessage)
            except msgspec.DecodeError:  # the loader wrote into the pipe
                return
            patience_s = self._timeout_s
            self._note(message)
            yield message
            if message.python is not None or message.error is not None:
                return

    def end(self) -> None:
        """Wait a little for the worker to end by itself, and kill what is left of its group."""
        if not self._timed_out:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._code = self._child.wait(timeout=PATIENCE_S)
        end_group(self._child, patience_s=0.0)
        for thread in self._threads:
            thread.join(timeout=POLL_S)  # a process that left the group may keep a pipe open

    def death(self) -> str:
        """Describe how the worker ended that did not finish its rule."""
        if self._timed_out:
            return f"it reported nothing for {self._timeout_s:g} s and was stopped {self._place}"
        if self._code is None:
            return f"it closed or spoilt feedrate's pipe {self._place}"
        if self._code < 0:
            return f"{how_it_died(self._code)} {self._place}"
        return f"its process exited with code {self._code} {self._place}"

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
        deadline = time.monotonic() + patience_s
        while True:
            lives = self._child.poll() is None
            try:
                return self._lines.get(timeout=POLL_S)
            except queue.Empty:
                if not lives:
                    return None
                if time.monotonic() > deadline:
                    self._timed_out = True
                    return None

    def _read(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            self._lines.put(line)
        self._lines.put(None)

    def _drain(self, pipe: IO[bytes]) -> None:
        while part := os.read(pipe.fileno(), 65536):
            self.output = (self.output + part)[-OUTPUT_BYTES:]
