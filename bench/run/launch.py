"""The command that runs a trial: the trial's process itself, or torchrun, which starts one for each rank."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from feedrate.bench.host.lifecycle.search_path import module_command
from feedrate.bench.host.ranks.rank_files import RankFiles, first_death
from feedrate.bench.results.messages import Message, Task
from feedrate.bench.results.record import TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start a trial."""

    command: list[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment."""
    stdin: bytes = b""
    """What the process reads from its standard input."""
    files: RankFiles | None = None
    """What the ranks leave; None for a trial of one process."""
    ranks: int = 1

    def failure(self, output: bytes) -> TrialResult | str:
        """Return the result of the rank that failed first, or a sentence on the one that died first. Empty if none is known.

        output: what torchrun printed.
        """
        failed = self.files.failure(self.ranks) if self.files else None
        if failed is None:
            return first_death(output) if self.files else ""
        rank, content = failed
        result = msgspec.json.decode(content, type=Message).result
        assert result is not None, "a rank leaves its result"
        return replace(result, detail=f"rank {rank}: {result.detail}")

    def quiet(self) -> str:
        """Return who reported nothing: "it", or the rank that gave its last sign of life first."""
        return f"rank {self.files.quietest(self.ranks)}" if self.files else "it"


@contextmanager
def launch(python: str, task: Task) -> Iterator[Launch]:
    """Yield how to start a trial with this interpreter. A preparation takes one process, however many ranks there are."""
    content, ranks = msgspec.json.encode(task), task.spec.ranks
    if ranks == 1 or task.only_prepare:
        yield Launch(command=module_command(python, "feedrate.bench.trial.child"), stdin=content)
        return
    with tempfile.TemporaryDirectory(prefix="feedrate-ranks-") as folder:
        files = RankFiles(Path(folder))
        files.task.write_bytes(content)
        yield Launch(command=_torchrun(python, ranks, files), variables=_variables(ranks), files=files, ranks=ranks)


def _torchrun(python: str, ranks: int, files: RankFiles) -> list[str]:
    """torchrun picks a free port. It ends all ranks as soon as one fails, and starts none again."""
    options = ["--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", str(ranks), "--max-restarts", "0"]
    rank = ["-m", "feedrate.bench.trial.rank", str(files.folder)]
    return [*module_command(python, "torch.distributed.run"), *options, *rank]


def _variables(ranks: int) -> dict[str, str]:
    """The cores are shared by the ranks. torchrun by itself would give each rank one thread."""
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(len(os.sched_getaffinity(0)) // ranks, 1))
    return {"PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": threads}
