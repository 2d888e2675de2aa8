"""Trials whose ranks are started by the processes that the user started with torchrun or Slurm, on one host or several.

Rank 0 runs the plan and writes the record. The other processes start their rank of each trial when it tells them to.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import msgspec

from feedrate.bench.host.kept_process import Ended, KeptProcess
from feedrate.bench.host.lifecycle.search_path import module_command
from feedrate.bench.host.processes import how_it_died
from feedrate.bench.host.ranks.group import LostRank, free_port
from feedrate.bench.host.ranks.outer_group import OuterGroup
from feedrate.bench.host.ranks.rank_files import RankFiles
from feedrate.bench.results.messages import Task
from feedrate.bench.results.record import TrialResult
from feedrate.bench.run.loader_lookup import interpreter
from feedrate.bench.run.ranks.launch import Launch, failed_result, launch, variables
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable

PATIENCE_S = 5.0
"""Seconds that a rank has to end by itself after the trial."""
PRINTED_BYTES = 20_000
"""Most bytes of a failing rank's output that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What rank 0 tells the other processes."""

    task: Task | None = None
    """The trial that begins. None: no trial follows."""
    port: int = 0
    """Where the trial's ranks meet, on rank 0's host."""
    exit_code: int = 0
    """Of the run. torchrun on another host waits for minutes if its processes end well, and those of rank 0 do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a process tells the others of its rank after a trial."""

    message: bytes = b""
    """With the failed result of a rank that failed of its own accord."""
    death: str = ""
    """How a rank died."""
    at_s: float = 0.0
    """When it failed or died, in seconds of time.time(): the clocks of several hosts differ a little."""
    silent_s: float = 0.0
    """Since its last sign of life."""
    steps: int = 0
    """That it has begun."""
    printed: bytes = b""
    """The last of what it printed if it failed or died."""

    @property
    def is_cause(self) -> bool:
        """Whether the rank failed or died, and has not only lost another one."""
        return bool(self.message or self.death)


class OuterRanks:
    """Starts the trials of a run on all processes of a group. For rank 0."""

    def __init__(self, group: OuterGroup) -> None:
        self._group = group

    def numbers(self, given: Sequence[int]) -> tuple[int, ...]:
        """Return the number of ranks. given: what --ranks says. Raises FeedrateError if that is another number."""
        size = self._group.launched.size
        if tuple(given) not in ((1,), (size,)):
            raise FeedrateError(f"--ranks is {','.join(map(str, given))}, but WORLD_SIZE is {size}: leave out --ranks")
        return (size,)

    @contextmanager
    def launch(self, python: str, task: Task) -> Iterator[Launch]:
        """Have each process start its rank, and yield how to start rank 0. A single rank joins a group of its own, too.

        Raises LostRank if a process has ended.
        """
        if task.only_prepare:
            with launch(python, task) as how:
                yield how
            return
        order = Order(task=task, port=free_port())
        self._group.all(msgspec.json.encode(order))
        with RankFiles.with_task(msgspec.json.encode(task)) as files:
            outcomes = _Outcomes(self._group, files)
            try:
                yield Launch(command=_command(python, files), variables=_variables(self._group, order), ranks=outcomes)
            except BaseException:  # a signal, say: the others must end their ranks, too
                with contextlib.suppress(LostRank):
                    outcomes.gather()
                raise
            outcomes.gather()

    def end(self, exit_code: int) -> None:
        """Tell the other processes that no trial follows. They end with this process."""
        with contextlib.suppress(LostRank):
            self._group.all(msgspec.json.encode(Order(exit_code=exit_code)))


def follow(group: OuterGroup) -> int:
    """Start this process's rank of each trial. Return the run's exit code when rank 0 has ended. Raises LostRank if it dies."""
    while task := (order := msgspec.json.decode(group.all()[0], type=Order)).task:
        with RankFiles.with_task(msgspec.json.encode(task)) as files:
            outcome = _one_trial(group, order, task, files)
            group.all(msgspec.json.encode(outcome))
    with contextlib.suppress(LostRank):
        group.all()  # rank 0 does not answer
    return order.exit_code


def _one_trial(group: OuterGroup, order: Order, task: Task, files: RankFiles) -> Outcome:
    """Start this process's rank, and end it when rank 0 has its result or gives the trial up."""
    ends: list[float] = []
    command = _command(_interpreter(task), files)
    child = KeptProcess(command, lambda _ended: ends.append(time.time()), variables=_variables(group, order))
    patience_s = 0.0
    try:
        child.send(b"")
        group.meet()
        over_s, patience_s = time.time(), PATIENCE_S
    finally:
        ended = child.end(patience_s)
    rank = group.launched.rank
    own = _outcome(files, rank, ended, child.stderr.content())
    silent_s = over_s - files.last_sign_s(rank)
    return replace(own, at_s=own.at_s or min(ends, default=over_s), silent_s=silent_s, steps=files.steps(rank))


@dataclass(slots=True)
class _Outcomes:
    """What became of the ranks of a trial. The first question ends the trial on all of them."""

    group: OuterGroup
    files: RankFiles
    """Of rank 0."""
    known: list[Outcome] = field(default_factory=list)

    def failure(self, ended: Ended, _output: bytes) -> TrialResult | str:
        outcomes = [_outcome(self.files, 0, ended, b""), *self.gather()[1:]]
        causes = [(outcome.at_s, rank) for rank, outcome in enumerate(outcomes) if outcome.is_cause]
        if not causes:
            return ""
        _, rank = min(causes)
        cause = outcomes[rank]
        return failed_result(rank, cause.message) if cause.message else f"rank {rank}: {cause.death}"

    def quietest(self) -> int:
        outcomes = self.gather()
        return min(range(len(outcomes)), key=lambda rank: (outcomes[rank].steps, -outcomes[rank].silent_s))

    def printed(self) -> bytes:
        return b"".join(outcome.printed for outcome in self.known[1:] if outcome.is_cause)

    def gather(self) -> list[Outcome]:
        """Return the outcome of every rank. The other processes end their ranks. Raises LostRank."""
        if not self.known:
            own = Outcome(silent_s=time.time() - self.files.last_sign_s(0), steps=self.files.steps(0))
            self.group.meet()
            values = self.group.all(msgspec.json.encode(own))
            self.known = [msgspec.json.decode(value, type=Outcome) for value in values]
        return self.known


def _outcome(files: RankFiles, rank: int, ended: Ended | None, printed: bytes) -> Outcome:
    """Describe a rank of this process. ended: how it ended, None while it runs."""
    if failure := files.failure_of(rank):
        at_s, message = failure
        return Outcome(message=message, at_s=at_s, printed=printed[-PRINTED_BYTES:])
    if ended is None or ended.stopped or ended.code == 0 or files.has_lost(rank):
        return Outcome()
    return Outcome(death=how_it_died(ended.code), printed=printed[-PRINTED_BYTES:])


def _command(python: str, files: RankFiles) -> list[str]:
    return module_command(python, "feedrate.bench.trial.rank", str(files.folder))


def _variables(group: OuterGroup, order: Order) -> dict[str, str]:
    """The trial's ranks meet at a port of their own, whatever torchrun keeps at its port."""
    own = {"MASTER_PORT": str(order.port), "TORCHELASTIC_USE_AGENT_STORE": "False"}
    return {**variables(group.launched.size_here), **own}


def _interpreter(task: Task) -> str:
    """Return the loader's interpreter. Without it, this one reports what is missing when it looks the loader up."""
    try:
        return interpreter(task.spec.loader)
    except LoaderUnavailable:
        return sys.executable
