"""One rank of a trial, as torchrun starts it: `python -m feedrate.bench.trial.rank FOLDER`, with the task in FOLDER.

Rank 0 sends progress and the result on standard output. A rank that fails leaves its result in the folder.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec

from feedrate.bench.host.device import make_current
from feedrate.bench.host.keeper import adopt_orphans
from feedrate.bench.host.ranks.group import Launched, LostRank, TorchGroup, is_loss, joined
from feedrate.bench.host.ranks.rank_files import RankFiles, every
from feedrate.bench.results.messages import Mark, Message, Task
from feedrate.bench.timing.clock import now
from feedrate.bench.trial.child import attempt, send
from feedrate.loaders.toolkit.preparation import remove_temporary

LIFE_EVERY_S = 0.5
"""Seconds between two signs of life."""
WAIT_S = 1800.0
"""Seconds after which a rank that waits for another one gives up. The suite stops a trial without a sign of life before."""
LAST_S = 10.0
"""Seconds that a rank which lost another one waits for its end, so that torchrun sees the cause first."""

_sleep, _exit = time.sleep, os._exit
"""Bound here, because a loader may replace functions of these modules."""


def main() -> None:
    """Run the task's trial with the other ranks, and end without waiting for threads that a library left behind."""
    adopt_orphans()
    files = RankFiles(Path(sys.argv[1]))
    launched = Launched.of(os.environ)
    task = msgspec.json.decode(files.task.read_bytes(), type=Task)
    pipe = os.dup(1)
    os.dup2(2, 1)  # what libraries print goes to standard error
    live = every(LIFE_EVERY_S, now, lambda: files.live(launched.rank))

    def say(phase: str, done: int, total: int) -> None:
        live()
        if launched.rank == 0:  # the suite counts rows of all ranks, which advance alike
            send(pipe, Message(phase=phase, done=done * launched.size, total=total * launched.size))

    def mark(window: Mark) -> None:
        if launched.rank == 0:
            send(pipe, Message(mark=window))

    files.live(launched.rank)
    spec = replace(task.spec, device=launched.device_of(task.spec.device))
    make_current(spec.device)
    try:
        with joined(launched, spec.device, WAIT_S, lambda: files.live(launched.rank)) as group:
            message = attempt(replace(task, spec=spec), say, mark, group)
            result = message.result
            assert result is not None, "an attempt ends with a result"
            message = replace(message, result=replace(result, spec=task.spec))
            if result.status != "ok":
                _fail(files, group, message)
    except LostRank:
        _sleep(LAST_S)
        _exit(1)
    if launched.rank == 0:
        send(pipe, message)
    with contextlib.suppress(BaseException):  # a loader may have closed or replaced it
        remove_temporary()
        sys.stderr.flush()
    _exit(0)


def _fail(files: RankFiles, group: TorchGroup, message: Message) -> None:
    """Leave the message and end. torchrun then ends the other ranks."""
    assert message.result is not None, "an attempt ends with a result"
    lost = is_loss(message.result.detail)
    files.fail(group.rank, msgspec.json.encode(message), lost=lost)
    with contextlib.suppress(BaseException):
        sys.stderr.flush()
    if lost:
        _sleep(LAST_S)
    _exit(1)


if __name__ == "__main__":
    main()
