"""What the ranks of a trial exchange: numbers, bytes and barriers. A trial of one process has a group of one."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from feedrate.loaders.base import LoaderConfig
from feedrate.loaders.errors import FeedrateError


class LostRank(FeedrateError):
    """Another rank has died or closed its connection. The cause is what that rank says."""


_LOSS = re.compile(r"another rank has ended|gloo/|NCCL|Connection (closed|reset) by peer", re.IGNORECASE)


def is_loss(sentence: str) -> bool:
    """Whether an error that torch raised tells that another rank has ended. torch has no class for it."""
    return _LOSS.search(sentence) is not None


class Group(Protocol):
    """The ranks of a trial. Every rank must make the same calls in the same order."""

    @property
    def rank(self) -> int:
        """This process's number, 0 <= rank < size."""
        ...

    @property
    def size(self) -> int:
        """Number of processes."""
        ...

    def all(self, value: bytes) -> list[bytes]:
        """Return the value of every rank, in the order of ranks. Raises LostRank."""
        ...

    def barrier(self) -> None:
        """Wait until every rank has come here. Raises LostRank."""
        ...

    def step_begins(self) -> None:
        """Tell that this rank takes its next step together with the others."""
        ...

    @property
    def local_rank(self) -> int:
        """This process's number on its host, from 0."""
        ...


@dataclass(frozen=True, slots=True)
class Alone:
    """The group of a trial that runs in one process."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def all(self, value: bytes) -> list[bytes]:
        """Return the only value."""
        return [value]

    def barrier(self) -> None:
        """Return at once."""

    def step_begins(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Launched:
    """The environment variables that torchrun sets for each process, and a user for Slurm."""

    rank: int
    local_rank: int
    size: int
    size_here: int
    """Processes of this host: all of them unless LOCAL_WORLD_SIZE says otherwise."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Launched:
        """Read the variables. Raises FeedrateError with the name of one that is missing or wrong."""
        rank, size = _number(environment, "RANK"), _number(environment, "WORLD_SIZE")
        local_rank = _number(environment, "LOCAL_RANK")
        size_here = _number(environment, "LOCAL_WORLD_SIZE") if "LOCAL_WORLD_SIZE" in environment else size
        for name in ("MASTER_ADDR", "MASTER_PORT"):
            if not environment.get(name):
                raise FeedrateError(f"{name} is not set: start the ranks with torchrun, or set its variables")
        if not rank < size:
            raise FeedrateError(f"RANK is {rank}, but must be less than WORLD_SIZE ({size})")
        return cls(rank, local_rank, size, max(size_here, 1))

    def device_of(self, device: str) -> str:
        """Return the device of this process: the CPU, or the GPU with its local rank.

        Raises FeedrateError for a GPU with a number, which all processes of a host would share.
        """
        if device.startswith("cuda:") and self.size > 1:
            raise FeedrateError(f"device is {device!r}, but each rank takes a GPU of its own: use cuda")
        return f"cuda:{self.local_rank}" if device == "cuda" else device


class TorchGroup:
    """The default process group of torch.distributed. Values pass through gloo, gradients on GPUs through NCCL."""

    def __init__(
        self,
        launched: Launched,
        on_wait: Callable[[], None] = lambda: None,
        on_step: Callable[[], None] = lambda: None,
        processes: Any = None,
    ) -> None:
        """on_wait, on_step: called each time before this rank waits for the others, and before it takes a step with them.

        processes: torch's group if not the default one.
        """
        self._launched, self._on_wait, self._processes = launched, on_wait, processes
        self.step_begins = on_step

    @property
    def rank(self) -> int:
        """This process's number."""
        return self._launched.rank

    @property
    def size(self) -> int:
        """Number of processes."""
        return self._launched.size

    @property
    def local_rank(self) -> int:
        """This process's number on its host."""
        return self._launched.local_rank

    def all(self, value: bytes) -> list[bytes]:
        """Return the value of every rank, in the order of ranks. Raises LostRank."""
        import torch.distributed as dist

        values: list[bytes] = [b""] * self.size
        self._on_wait()
        with peers():
            dist.all_gather_object(values, value, self._processes)
        return values

    def barrier(self) -> None:
        """Wait until every rank has come here. Raises LostRank."""
        import torch
        import torch.distributed as dist

        self._on_wait()
        with peers():
            on_cpu = torch.zeros(1)  # so that it passes through gloo and waits for no kernel
            dist.all_reduce(on_cpu, group=self._processes)


ALONE = Alone()


@contextmanager
def joined(
    launched: Launched,
    device: str,
    timeout_s: float,
    on_wait: Callable[[], None] = lambda: None,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[TorchGroup]:
    """Join the other ranks for as long as the block lasts.

    timeout_s: after which a rank that waits for another one gives up. on_wait, on_step: called each time before this rank waits
    for the others, and before it takes a step with them. Raises LostRank.
    """
    from datetime import timedelta

    import torch.distributed as dist

    backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
    with peers():
        dist.init_process_group(backend, timeout=timedelta(seconds=timeout_s))
    yield TorchGroup(launched, on_wait, on_step)
    dist.destroy_process_group()  # only in a good end: a process that fails must not wait for the others


def shard_rows(group: Group, rows: int) -> int:
    """Return the rows of this rank's shard of a split with so many rows."""
    return LoaderConfig(rank=group.rank, world_size=group.size).rows_of(rows)


def total(group: Group, number: int) -> int:
    """Return the sum of a whole number over all ranks. Raises LostRank."""
    return sum(int(value) for value in group.all(b"%d" % number)) if group.size > 1 else number


def word_total(group: Group, words: np.ndarray) -> np.ndarray:
    """Return the sums over all ranks modulo 2^64 of uint64 words, in the same shape. Raises LostRank."""
    if group.size == 1:
        return words
    rows = np.stack([np.frombuffer(value, np.uint64) for value in group.all(words.tobytes())])
    sums: np.ndarray = rows.sum(0, dtype=np.uint64)
    return sums.reshape(words.shape)


def joint(group: Group, array: np.ndarray) -> np.ndarray:
    """Return the one-dimensional arrays of all ranks, one after the other. Raises LostRank."""
    if group.size == 1:
        return array
    return np.concatenate([np.frombuffer(value, array.dtype) for value in group.all(array.tobytes())])


def first_decides(group: Group, decide: Callable[[], bool]) -> bool:
    """Return rank 0's decision on every rank, so that all do the same. Raises LostRank."""
    if group.size == 1:
        return decide()
    return group.all(b"yes" if group.rank == 0 and decide() else b"")[0] == b"yes"


def any_wants(group: Group, wants: bool) -> bool:
    """Return whether any rank wants what it asks for. Raises LostRank."""
    return any(group.all(b"yes" if wants else b""))


def free_port() -> int:
    """Return a port of this host that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def peers() -> Iterator[None]:
    """Raise LostRank if torch cannot reach another rank within the block."""
    try:
        yield
    except RuntimeError as error:  # torch raises subclasses of it, and gloo plain ones
        raise LostRank(f"another rank has ended or does not answer ({str(error).splitlines()[0]})") from error


def _number(environment: Mapping[str, str], name: str) -> int:
    value = environment.get(name, "")
    if not value.isdecimal():
        raise FeedrateError(f"{name} is {value!r}, but must be a whole number: start the ranks with torchrun")
    return int(value)
