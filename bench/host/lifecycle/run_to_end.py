"""Runs a command that does not outlive feedrate, and returns what it printed."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feedrate.bench.host.kept_process import KeptProcess
from feedrate.bench.host.processes import how_it_died, last_words

PATIENCE_S = 5.0
"""Seconds in which a command must end that has closed its output."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended."""

    code: int | None
    """Exit code, or the negative number of the signal that killed it. None if that is not known."""
    stdout: bytes
    stderr: bytes
    """Cut in the middle if it is long."""
    timed_out: bool = False

    def why(self) -> str:
        """Return the last line of its errors, or the signal that killed it."""
        if self.code is None or self.code < 0:
            return how_it_died(self.code)
        return last_words(self.stderr.decode(errors="replace"))


def run_to_end(
    command: Sequence[str],
    *,
    content: bytes = b"",
    variables: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
) -> Finished:
    """Run a command in a session of its own, and end it and all that it started after timeout_s seconds, or if feedrate ends.

    content: its standard input. variables: added to its environment. Raises OSError if no process can be started.
    """
    child = KeptProcess(command, variables=variables)
    output: list[bytes] = []
    reader = threading.Thread(target=lambda: output.append(child.stdout.read()), daemon=True)
    reader.start()
    patience_s = 0.0
    try:
        child.send(content)
        reader.join(timeout_s)
        timed_out = reader.is_alive()
        patience_s = 0.0 if timed_out else PATIENCE_S
    finally:
        ended = child.end(patience_s)
    reader.join()
    child.stdout.close()
    return Finished(ended.code, b"".join(output), child.stderr.content(), timed_out)
