"""Files beside the suite's pipe to rank 0: when each rank of this host gave a sign of life, and why one ended."""

from __future__ import annotations

import itertools
import mmap
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from feedrate.bench.host.processes import how_it_died
from feedrate.bench.results.whole_file import write_whole
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder

_COUNT = struct.Struct("<q")


@dataclass(frozen=True, slots=True)
class RankFiles:
    """The files of one trial."""

    folder: Path

    @property
    def task(self) -> Path:
        """What the ranks have to do: a messages.Task as JSON."""
        return self.folder / "task.json"

    def live(self, rank: int) -> None:
        """Give a sign of life."""
        self._life(rank).touch()

    def fail(self, rank: int, message: bytes, *, lost: bool) -> None:
        """Leave the message with a rank's failed result. lost: whether it only lost another rank, which is the cause."""
        write_whole(self._failure(rank, lost=lost), message)

    @classmethod
    @contextmanager
    def with_task(cls, content: bytes) -> Iterator[RankFiles]:
        """Yield files in a temporary folder of their own, the task among them."""
        with TemporaryFolder() as folder:
            files = cls(folder.path)
            files.task.write_bytes(content)
            yield files

    def failure(self, ranks: int) -> tuple[int, bytes] | None:
        """Return the rank that failed first of its own accord, and its message. None if there is none."""
        failures = [(*failure, rank) for rank in range(ranks) if (failure := self.failure_of(rank))]
        if not failures:
            return None
        _, message, rank = min(failures)
        return rank, message

    def failure_of(self, rank: int) -> tuple[float, bytes] | None:
        """Return when a rank failed of its own accord, in seconds of time.time(), and its message. None if it did not."""
        file = self._failure(rank, lost=False)
        return (_mtime(file), file.read_bytes()) if file.exists() else None

    def has_lost(self, rank: int) -> bool:
        """Whether a rank has ended because it lost another one."""
        return self._failure(rank, lost=True).exists()

    def last_sign_s(self, rank: int) -> float:
        """Return when a rank gave its last sign of life, in seconds of time.time(). 0 if it gave none."""
        return _mtime(self._life(rank))

    def counter(self, rank: int) -> Callable[[], None]:
        """Return a function to call at each step that all ranks take together, so cheap that it may be called on the clock."""
        file = self._steps(rank)
        file.write_bytes(bytes(_COUNT.size))
        with file.open("r+b") as opened:
            count, steps = mmap.mmap(opened.fileno(), _COUNT.size), itertools.count(1)
        return lambda: _COUNT.pack_into(count, 0, next(steps))

    def steps(self, rank: int) -> int:
        """Return how many steps a rank has begun."""
        file = self._steps(rank)
        return int(_COUNT.unpack(file.read_bytes())[0]) if file.exists() else 0

    def quietest(self, ranks: int) -> int:
        """Return the rank for whose next step the others wait, or the one that gave its last sign of life first."""
        return min(range(ranks), key=lambda rank: (self.steps(rank), self.last_sign_s(rank)))

    def _life(self, rank: int) -> Path:
        return self.folder / f"alive-{rank}"

    def _steps(self, rank: int) -> Path:
        return self.folder / f"steps-{rank}"

    def _failure(self, rank: int, *, lost: bool) -> Path:
        return self.folder / f"{'lost' if lost else 'failed'}-{rank}.json"


def first_death(torchrun_output: bytes) -> str:
    """Return a sentence on the rank that torchrun saw die first, or an empty one if torchrun names none."""
    text = torchrun_output.decode(errors="replace")
    cause = text.rpartition("Root Cause (first observed failure):")[2]
    rank = re.search(r"^\s*rank\s*: (\d+)", cause, re.MULTILINE)
    code = re.search(r"^\s*exitcode\s*: (-?\d+)", cause, re.MULTILINE)
    return f"rank {rank[1]}: {how_it_died(int(code[1]))}" if rank and code else ""


def _mtime(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:  # not one sign of life
        return 0.0
