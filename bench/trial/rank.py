"""One rank of a trial, as torchrun or `feedrate.rank` starts it: `python -m feedrate.bench.trial.rank FOLDER`, with the task in FOLDER.

Rank 0 sends progress and the result on standard output. A rank that fails leaves its result in the folder.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from feedrate.bench.host.device import make_current
from feedrate.bench.host.keeper import adopt_orphans
from feedrate.bench.host.ranks.group import Launched, LostRank, TorchGroup, is_loss, joined
from feedrate.bench.host.ranks.rank_files import RankFiles
from feedrate.bench.results.messages import Mark, Message, Task
from feedrate.bench.trial.child import attempt, leave, send, take_pipe

WAIT_S = 1800.0
"""Seconds after which a rank that waits for another one gives up. The suite stops a trial without a sign of life before."""
LAST_S = 10.0
"""Seconds that a rank which lost another one waits for its end, so that torchrun sees the cause first."""

_sleep = time.sleep
"""Bound here, because a loader may replace functions of the module."""


def main() -> None:
    """Run the task's trial with the other ranks, and end without waiting for threads that a library left behind."""
    adopt_orphans()
    files = RankFiles(Path(sys.argv[1]))
    launched = Launched.of(os.environ)
    task = msgspec.json.decode(files.task.read_bytes(), type=Task)
    pipe = take_pipe()
    live = partial(files.live, launched.rank)

    def say(phase: str, done: int, total: int) -> None:
        live()
        if launched.rank == 0:  # the suite counts rows of all ranks, which advance alike
            send(pipe, Message(phase=phase, done=done * launched.size, total=total * launched.size))

    def mark(window: Mark) -> None:
        if launched.rank == 0:
            send(pipe, Message(mark=window))

    live()
    spec = replace(task.spec, device=launched.device_of(task.spec.device))
    make_current(spec.device)
    try:
        with joined(launched, spec.device, WAIT_S, live, files.counter(launched.rank)) as group:
            message = attempt(replace(task, spec=spec), say, mark, group)
            result = message.result
            assert result is not None, "an attempt ends with a result"
            message = replace(message, result=replace(result, spec=task.spec))
            if result.status != "ok":
                _fail(files, group, message)
    except LostRank:
        files.fail(launched.rank, b"", lost=True)
        _sleep(LAST_S)
        leave(1)
    if launched.rank == 0:
        send(pipe, message)
    leave()


def _fail(files: RankFiles, group: TorchGroup, message: Message) -> None:
    """Leave the message and end. torchrun then ends the other ranks."""
    assert message.result is not None, "an attempt ends with a result"
    lost = is_loss(message.result.detail)
    files.fail(group.rank, msgspec.json.encode(message), lost=lost)
    if lost:
        _sleep(LAST_S)
    leave(1)


if __name__ == "__main__":
    main()
