"""Turns Ctrl-C, SIGTERM and SIGHUP into an exception, so that a command can keep what is finished and end its children.

The second signal raises again, in whatever the first one led to. The third one ends the process at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MOST_SIGNALS = 3
"""Signals after which the process ends at once."""
STUCK_S = 10.0
"""Seconds within which Python must notice a signal. A library may compute for longer, and then the process ends at once."""
IMPORT_S = 10.0
"""Seconds for which a signal waits for the end of an import."""
IMPORT_FILE = "<frozen importlib._bootstrap>"
REPEAT, REPEAT_S = 128, 0.05
"""Added to the number of a signal that is to be sent again, and the seconds after which it is."""


class Stopped(KeyboardInterrupt):
    """A signal has asked the process to end."""

    def __init__(self, number: int) -> None:
        """number: of the signal."""
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def words(self) -> str:
        """What stopped the process."""
        return "Ctrl-C" if self.number == signal.SIGINT else signal.Signals(self.number).name

    @property
    def exit_code(self) -> int:
        """As a shell reports a process that the signal has killed: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.number


class StopSignals:
    """Handles the signals of this process, once told to, except those that it was told to ignore, as nohup does."""

    def __init__(self) -> None:
        """Prepare to handle them. Call it in the main thread."""
        self._received: list[int] = []
        self._noticed = threading.Event()
        self._wake, self._wakes = os.pipe()
        self._repeats = 0
        """Signals to come that repeat an earlier one."""
        self._obsolete = 0
        """Those of them that repeat one which was raised meanwhile."""
        self._import_until_s = 0.0
        sys.unraisablehook = self._repeat
        os.set_blocking(self._wakes, False)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="feedrate signals", daemon=True).start()

    def handle(self) -> None:
        """Begin to handle them. From now on any statement may raise Stopped, so call it where that is caught."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self)

    @property
    def stopped(self) -> Stopped | None:
        """The first signal; None if there was none."""
        return Stopped(self._received[0]) if self._received else None

    def leave(self) -> NoReturn:
        """End the process with a sentence and the exit code of the first signal. Further signals change nothing."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        assert self.stopped is not None
        with contextlib.suppress(OSError):  # the terminal may be gone
            sys.stdout.flush()
            print(
                f"feedrate: stopped by {self.stopped.words}; every file is complete or as it was",
                file=sys.stderr,
                flush=True,
            )
        os._exit(self.stopped.exit_code)  # threads of libraries may go on for long

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise Stopped in the main thread, after an import that is under way: torch's C++ would abort the process."""
        self._noticed.set()
        if self._repeats:
            self._repeats -= 1
            if self._obsolete:
                self._obsolete -= 1
                return
        else:
            self._received.append(number)
            self._import_until_s = time.monotonic() + IMPORT_S
        if len(self._received) >= MOST_SIGNALS:
            self._end(number)
        if not _imports(frame) or time.monotonic() > self._import_until_s:
            raise Stopped(number)
        self._send_again(number)

    def _watch(self) -> None:
        """End the process if Python does not notice a signal for long. The kernel reports each to this thread's pipe."""
        received = 0
        while number := os.read(self._wake, 1):
            if number[0] >= REPEAT:
                time.sleep(REPEAT_S)
                received -= 1
                os.kill(os.getpid(), number[0] - REPEAT)
                continue
            received += number[0] in SIGNALS
            if number[0] in SIGNALS and (received >= MOST_SIGNALS or not self._noticed.wait(STUCK_S)):
                self._end(number[0])

    def _repeat(self, ignored: sys.UnraisableHookArgs) -> None:
        """Have the signal sent again if Python had to ignore its exception, as in callbacks of the garbage collector."""
        if isinstance(ignored.exc_value, Stopped):
            self._send_again(ignored.exc_value.number)
        else:
            sys.__unraisablehook__(ignored)

    def check(self) -> None:
        """Raise Stopped if a signal was received. Signals that would only repeat it are ignored from now on."""
        if self.stopped is not None:
            self._obsolete = self._repeats
            raise self.stopped

    def _send_again(self, number: int) -> None:
        self._repeats += 1
        os.write(self._wakes, bytes([REPEAT + number]))

    def _end(self, number: int) -> NoReturn:
        with contextlib.suppress(OSError):  # the terminal may be gone
            os.write(2, f"feedrate: stopped at once by {Stopped(number).words}\n".encode())
        os._exit(Stopped(number).exit_code)


def _imports(frame: FrameType | None) -> bool:
    """Return whether an import is under way."""
    while frame is not None:
        if frame.f_code.co_filename == IMPORT_FILE:
            return True
        frame = frame.f_back
    return False


def check() -> None:
    """Raise Stopped if a signal was received. A library may have swallowed the exception that it caused."""
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if isinstance(handler, StopSignals):
            handler.check()
