"""The other ranks of a process that is recorded: they do the same work beside it, until they are ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from feedrate.bench.host.kept_process import KeptProcess
from feedrate.bench.host.ranks.group import free_port
from feedrate.bench.run.ranks.launch import variables


@dataclass(slots=True)
class Companions:
    """All ranks but one of a group of processes on this host."""

    ranks: int
    """Of the group, that one included."""
    port: int
    _lines: dict[int, bytes] = field(default_factory=dict)
    _readers: list[threading.Thread] = field(default_factory=list)

    def variables(self, rank: int) -> dict[str, str]:
        """Return the environment variables of a rank. There are none in a group of one."""
        if self.ranks == 1:
            return {}
        size = str(self.ranks)
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
        return {**variables(self.ranks), **own, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self.port)}

    def first_words(self) -> dict[int, bytes]:
        """Return the first line of each rank that printed one. A rank prints why it has failed, and else nothing."""
        for reader in self._readers:
            reader.join(1.0)
        return {rank: line for rank, line in sorted(self._lines.items()) if line}

    def _read(self, rank: int, child: KeptProcess) -> None:
        self._lines[rank] = child.stdout.readline()


@contextmanager
def companions(command: Sequence[str], content: bytes, ranks: int, *, of: int = 0) -> Iterator[Companions]:
    """Start the ranks beside rank `of` with this command and standard input, and end them when the block ends."""
    group = Companions(ranks, free_port() if ranks > 1 else 0)
    with ExitStack() as stack:
        for rank in (rank for rank in range(ranks) if rank != of):
            child = KeptProcess(command, variables=group.variables(rank))
            stack.callback(child.end)
            child.send(content)
            reader = threading.Thread(target=group._read, args=(rank, child), name="feedrate ranks", daemon=True)
            group._readers.append(reader)
            reader.start()
        yield group
