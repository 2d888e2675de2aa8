"""The command that runs a trial: the trial's process itself, or torchrun, which starts one for each rank."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec

from feedrate.bench.host.kept_process import Ended
from feedrate.bench.host.lifecycle.search_path import module_command
from feedrate.bench.host.processes import how_it_died
from feedrate.bench.host.ranks.rank_files import RankFiles, first_death
from feedrate.bench.results.messages import Message, Task
from feedrate.bench.results.record import TrialResult


class Ranks(Protocol):
    """What is known of a trial's ranks beside what rank 0 sends."""

    def failure(self, ended: Ended, output: bytes) -> TrialResult | str:
        """Return the result of the rank that failed first, or a sentence on the one that died first. Empty if none is known.

        ended: how the command of the launch ended. output: what it printed.
        """
        ...

    def quietest(self) -> int:
        """Return the rank that gave its last sign of life first. The trial is over then."""
        ...

    def printed(self) -> bytes:
        """Return what failing ranks printed that is not in the output of the launch's command."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start a trial."""

    command: list[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment."""
    stdin: bytes = b""
    """What the process reads from its standard input."""
    ranks: Ranks | None = None
    """None for a trial of one process."""

    def failure(self, ended: Ended, output: bytes) -> TrialResult | str:
        """Return what `Ranks.failure` returns; empty for a trial of one process."""
        return self.ranks.failure(ended, output) if self.ranks else ""

    def quiet(self) -> str:
        """Return who reported nothing: "it", or the rank that gave its last sign of life first."""
        return f"rank {self.ranks.quietest()}" if self.ranks else "it"

    def printed(self) -> bytes:
        """Return what `Ranks.printed` returns; nothing for a trial of one process."""
        return self.ranks.printed() if self.ranks else b""


Launcher = Callable[[str, Task], AbstractContextManager[Launch]]
"""launcher(python, task): how to start a trial with this interpreter, for as long as the context lasts."""


@contextmanager
def launch(python: str, task: Task) -> Iterator[Launch]:
    """Yield how to start a trial with this interpreter. A preparation takes one process, however many ranks there are."""
    content, ranks = msgspec.json.encode(task), task.spec.ranks
    if ranks == 1 or task.only_prepare:
        yield Launch(command=module_command(python, "feedrate.bench.trial.child"), stdin=content)
        return
    with RankFiles.with_task(content) as files:
        command = _torchrun(python, ranks, files)
        yield Launch(command=command, variables=variables(ranks), ranks=_Torchrun(files, ranks))


def variables(ranks_here: int) -> dict[str, str]:
    """Return the environment variables of each rank. The ranks of this host share its cores."""
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(len(os.sched_getaffinity(0)) // ranks_here, 1))
    return {"PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": threads}  # torchrun by itself would give each rank one thread


def failed_result(rank: int, message: bytes) -> TrialResult:
    """Return the result in a failing rank's message, with its number in the sentence."""
    result = msgspec.json.decode(message, type=Message).result
    assert result is not None, "a rank leaves its result"
    return replace(result, detail=f"rank {rank}: {result.detail}")


@dataclass(frozen=True, slots=True)
class _Torchrun:
    """Ranks that torchrun starts on this host. Their files and its output tell what became of them."""

    files: RankFiles
    number: int

    def failure(self, _ended: Ended, output: bytes) -> TrialResult | str:
        failed = self.files.failure(self.number)
        if failed is not None:
            return failed_result(*failed)
        death = first_death(output)
        silent = [rank for rank in range(self.number) if not self.files.has_lost(rank)]
        if len(silent) == 1 and not death.startswith(f"rank {silent[0]}:"):
            return f"rank {silent[0]}: {how_it_died(0)}"  # which torchrun takes for a good end
        return death

    def quietest(self) -> int:
        return self.files.quietest(self.number)

    def printed(self) -> bytes:
        return b""  # torchrun passes it on


def _torchrun(python: str, ranks: int, files: RankFiles) -> list[str]:
    """torchrun picks a free port. It ends all ranks as soon as one fails, and starts none again."""
    options = ["--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", str(ranks), "--max-restarts", "0"]
    rank = ["-m", "feedrate.bench.trial.rank", str(files.folder)]
    return [*module_command(python, "torch.distributed.run"), *options, *rank]
