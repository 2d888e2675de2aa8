"""Kills commands at random times, and looks for what they leave: processes, temporary files and shared memory.

FEEDRATE_KILLS is the number of kills with each signal. `make slow` kills each command once with each.
FEEDRATE_KILLS_SEED gives other times.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.samples.processes.command import FEEDRATE

KILLS = int(os.environ.get("FEEDRATE_KILLS", "1"))
SEED = os.environ.get("FEEDRATE_KILLS_SEED", "0")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
ENDING_S = 10.0
"""Seconds in which descendants must end after their ancestor."""
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """A command that was sent a signal, or ended before it."""

    number: signal.Signals
    after_s: float
    code: int
    out: str
    said: str
    wall_s: float

    @property
    def finished(self) -> bool:
        """Whether it ended by itself."""
        return self.code == 0

    def require_a_sentence(self) -> None:
        """Fail unless it ended as documented: with the signal's exit code and a sentence.

        Python handles no signal while it starts and while it ends. Then the signal ends it at once.
        """
        if self.finished:
            return
        assert "feedrate/" not in self.said or "Traceback" not in self.said, self.said
        if self.number == signal.SIGKILL or self.code == -self.number:
            assert self.code == -self.number, self.said
            assert self.number == signal.SIGKILL or self.out or "[1]" not in self.said, self.said
            return
        words = "Ctrl-C" if self.number == signal.SIGINT else self.number.name
        assert self.code == 128 + self.number, self.said
        assert self.said.endswith(f"feedrate: stopped by {words}; every file is complete or as it was\n"), self.said


@dataclass(slots=True)
class Commands:
    """Starts commands that share a mark in their environment and a folder for temporary files."""

    folder: Path
    command: Sequence[str] = tuple(FEEDRATE)
    variables: dict[str, str] = field(default_factory=dict)
    dirty: bool = False
    """Whether a command was killed, and none has cleared up since."""
    temporary: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="kills-")))
    """The folder for temporary files. Its path is short, as that of /tmp."""
    _mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    _whole_s: dict[str, float] = field(default_factory=dict)

    def whole(self, *words: object) -> Killed:
        """Run a command to its end. Nothing is left then, even of commands that were killed before."""
        ended = self._run(words, signal.SIGKILL, 600.0)
        assert ended.finished, ended.said
        self._whole_s[str(words[0])] = ended.wall_s
        assert list(self.temporary.iterdir()) == []
        self.dirty = False
        return ended

    def killed(self, number: signal.Signals, after_s: float, *words: object) -> Killed:
        """Start a command and send it a signal. Fails if a process or a temporary file is left that no later command removes."""
        ended = self._run(words, number, after_s)
        ended.require_a_sentence()
        self.dirty = ended.number == signal.SIGKILL or (self.dirty and not ended.finished)
        assert self.dirty or list(self.temporary.iterdir()) == []
        return ended

    def times(self, command: str) -> Iterator[tuple[signal.Signals, float]]:
        """Yield KILLS times each signal, and a random time while the command runs. Call `whole` before."""
        chance = random.Random(f"{SEED} {command}")
        for number in itertools.chain.from_iterable(itertools.repeat(SIGNALS, KILLS)):
            yield number, chance.uniform(0.0, self._whole_s[command])

    def remove_temporary(self) -> None:
        """Remove the folder for temporary files, which is empty."""
        self.temporary.rmdir()

    def _run(self, words: Sequence[object], number: signal.Signals, after_s: float) -> Killed:
        before = _shared_memory()
        began = time.monotonic()
        process = subprocess.Popen(
            [*self.command, *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            cwd=self.folder, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            env={**os.environ, **self.variables, "TMPDIR": str(self.temporary), "FEEDRATE_TEST_MARK": self._mark},
        )  # fmt: skip
        try:
            out, said = process.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            # a terminal sends Ctrl-C to the whole process group
            (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
            out, said = process.communicate(timeout=60)
        wall_s = time.monotonic() - began
        assert not _within(ENDING_S, self._processes), "processes are left"
        assert not _within(ENDING_S, lambda: _unused(_shared_memory() - before)), "shared memory is left"
        print(f"{words[0]}: {number.name} after {after_s:.2f} s: exit code {process.returncode} at {wall_s:.2f} s", flush=True)  # fmt: skip
        return Killed(number=number, after_s=after_s, code=process.returncode, out=out, said=said, wall_s=wall_s)

    def _processes(self) -> list[str]:
        """Command lines of living processes with the mark."""
        mark, found = f"FEEDRATE_TEST_MARK={self._mark}".encode(), []
        for process in psutil.process_iter():
            try:
                content = Path(f"/proc/{process.pid}/environ").read_bytes()
                if mark in content and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
            except (OSError, psutil.Error):  # it has ended meanwhile
                continue
        return found


def _within(seconds: float, left: Callable[[], list[str]]) -> list[str]:
    """Wait until nothing is left, and return what still is."""
    deadline = time.monotonic() + seconds
    while (found := left()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _shared_memory() -> set[str]:
    return {path.name for path in SHARED_MEMORY.iterdir()} if SHARED_MEMORY.is_dir() else set()


def _unused(names: set[str]) -> list[str]:
    """Those that no process has mapped: others on this machine use shared memory, too."""
    mapped = ""
    for process in psutil.process_iter() if names else ():
        try:
            mapped += Path(f"/proc/{process.pid}/maps").read_text()
        except OSError:  # it has ended meanwhile
            continue
    return [name for name in names if str(SHARED_MEMORY / name) not in mapped and (SHARED_MEMORY / name).exists()]
