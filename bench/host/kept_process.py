"""A command that runs under a keeper: when it ends, however that is, nothing that it started is left.

Its temporary files lie in a folder of its own (TMPDIR), because libraries of a killed process do not remove theirs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from feedrate.bench.host import keeper
from feedrate.bench.host.bounded_output import DrainedPipe
from feedrate.bench.host.lifecycle.search_path import child_environment
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder

MAX_FOLDER = 73
"""Bytes of a folder's path that leave room for the sockets of torch and multiprocessing, of 107 together."""
STOPPING_S = keeper.ENDING_S + 5.0
"""Seconds within which the keeper must have ended everything."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int | None
    """Exit code, or the negative number of the signal that killed it. None if the keeper was killed and cannot tell."""
    stopped: bool
    """Whether feedrate killed it. False if it had ended before."""


class KeptProcess:
    """A running command. Its standard input and output are pipes, its standard error is read in bounded memory."""

    stdin: IO[bytes]
    stdout: IO[bytes]

    def __init__(
        self,
        command: Sequence[str],
        on_end: Callable[[Ended], None] = lambda _ended: None,
        *,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Start the command, in a session of its own. Raises OSError if no process can be started.

        on_end: called in a thread of its own when everything has ended. variables: added to the environment.
        """
        self._temporary = TemporaryFolder()
        lifeline, self._lifeline = os.pipe()
        report, reporting = os.pipe()
        try:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, str(lifeline), str(reporting), *command],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=(lifeline, reporting),
                start_new_session=True,  # Ctrl-C reaches feedrate alone
                env={**child_environment(), **_temporary_files(self._temporary.path), **(variables or {})},
            )  # fmt: skip
        except BaseException:
            os.close(self._lifeline)
            os.close(report)
            raise
        finally:
            os.close(lifeline)
            os.close(reporting)
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        assert self._keeper.stderr is not None
        self.stdin, self.stdout = self._keeper.stdin, self._keeper.stdout
        self.stderr = DrainedPipe(os.dup(self._keeper.stderr.fileno()))
        self._keeper.stderr.close()
        self._report = os.fdopen(report, "rb")
        self.pid = int(self._report.readline() or 0)
        """Process id of the command."""
        if not self.pid:
            self._release()
            raise OSError(f"{sys.executable} cannot start a process: {self.stderr.content().decode(errors='replace')}")
        self._ended: Ended | None = None
        self._on_end = on_end
        self._thread = threading.Thread(target=self._await_end, name="feedrate keeper", daemon=True)
        self._thread.start()

    def send(self, content: bytes) -> None:
        """Write to the command's standard input, and close it. Does nothing if the command has ended."""
        with contextlib.suppress(BrokenPipeError), self.stdin:
            self.stdin.write(content)

    def end(self, patience_s: float = 0.0) -> Ended:
        """Wait up to patience_s seconds for the end of the command, then kill it. Return how it ended.

        Call it in any case: it also releases the pipes.
        """
        self._thread.join(patience_s)
        self._release()
        return self._ended or Ended(None, stopped=True)

    def _release(self) -> None:
        os.close(self._lifeline)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(STOPPING_S)
        self._keeper.kill()
        self._keeper.wait()
        if hasattr(self, "_thread"):
            self._thread.join(STOPPING_S)
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        self._temporary.close()

    def _await_end(self) -> None:
        """Read the keeper's last words. Without any, it was killed, and its command with it: end the command's group."""
        with self._report:
            words = self._report.readline().split()
        if not words:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        self._ended = Ended(int(words[0]), stopped=words[1] == b"1") if words else Ended(None, stopped=False)
        self._on_end(self._ended)


def _temporary_files(folder: Path) -> dict[str, str]:
    """Return the variables for a command's own temporary files: none if the names of sockets there would be too long."""
    return {"TMPDIR": str(folder)} if len(os.fsencode(folder)) <= MAX_FOLDER else {}
