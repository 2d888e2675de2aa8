"""The processes that the user started, one for each rank. They outlive every trial, and start a new process for each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import Any, TypeVar

from feedrate.bench.host.ranks.group import Launched, TorchGroup, peers

Value = TypeVar("Value")
JOIN_S = 600.0
"""Seconds within which all processes must have been started."""
IDLE_S = 7 * 86400.0
"""Seconds that a process waits for its next trial, or for the end of one."""
ANSWER_S = 60.0
"""Seconds within which the others must answer rank 0 after a trial."""


class OuterGroup:
    """What the processes exchange between trials. A signal ends each wait at once."""

    def __init__(self, launched: Launched, group: TorchGroup, processes: Any) -> None:
        """processes: torch's group of them."""
        self.launched, self._group, self._processes = launched, group, processes

    def all(self, value: bytes = b"") -> list[bytes]:
        """Return the value of every rank, in the order of ranks. Raises LostRank."""
        return _interruptible(lambda: self._group.all(value))

    def meet(self) -> None:
        """Wait until every rank has come here: rank 0 for ANSWER_S seconds, the others for as long as it takes. Raises LostRank."""
        import torch.distributed as dist

        def wait() -> None:
            with peers():
                dist.monitored_barrier(self._processes, timeout=timedelta(seconds=ANSWER_S))

        _interruptible(wait)


def outer_group(launched: Launched) -> OuterGroup:
    """Join the other processes, for as long as this one lives. Raises LostRank."""
    import torch.distributed as dist

    def join() -> Any:
        with peers():
            dist.init_process_group("gloo", timeout=timedelta(seconds=JOIN_S))
            return dist.new_group(timeout=timedelta(seconds=IDLE_S))

    processes = _interruptible(join)
    return OuterGroup(launched, TorchGroup(launched, processes=processes), processes)


def _interruptible(call: Callable[[], Value]) -> Value:
    """Return what the call returns. It runs in a thread, because torch waits without looking for signals."""
    future: Future[Value] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="feedrate waits for ranks", daemon=True).start()
    return future.result()
