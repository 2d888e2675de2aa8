"""The process in which a loader is checked: a CheckTask on standard input, CheckMessage lines on what was standard output."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec

from feedrate.bench.datasets.canonical import read_dataset
from feedrate.bench.host import venvs
from feedrate.bench.host.device import make_current
from feedrate.bench.run.check_messages import CheckMessage, CheckTask
from feedrate.loaders import registry
from feedrate.loaders.conformance import Case, check_rest, numbered_split, planted_split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.toolkit.preparation import remove_temporary

LIFE_S = 0.5
"""Seconds after which the same place is sent again, as a sign of life."""


class Sender:
    """Sends messages to the process that started this one."""

    def __init__(self) -> None:
        """Take over standard output. What the loader prints goes to standard error from now on."""
        self._pipe = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        self._place, self._sent = "", 0.0

    def send(self, message: CheckMessage) -> None:
        """Send one message."""
        self._pipe.write(msgspec.json.encode(message) + b"\n")

    def place(self, place: str) -> None:
        """Send the loader's place if it has changed, or as a sign of life."""
        now = time.monotonic()
        if place != self._place or now - self._sent > LIFE_S:
            self._place, self._sent = place, now
            self.send(CheckMessage(place=place))


def main() -> None:
    """Read the task, check the rules, and end without waiting for threads that a loader left behind."""
    sender = Sender()
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=CheckTask)
    sys.path += [folder for folder in task.import_path if folder not in sys.path]
    try:
        _check(task, sender)
    except FeedrateError as error:
        sender.send(CheckMessage(error=str(error)))
    remove_temporary()
    sys.stderr.flush()
    os._exit(0)


def _check(task: CheckTask, sender: Sender) -> None:
    import torch

    torch.set_num_threads(1)  # nothing is timed, and on a busy machine threads would wait for each other
    sender.place("while its module was imported")
    python = venvs.interpreter(task.loader)
    if python != sys.executable:
        sender.send(CheckMessage(python=python))
        return
    choice = registry.choose(task.loader)
    if choice.replays:
        raise FeedrateError(f"{task.loader} replays a few batches and loads no dataset: there is nothing to check")
    make_current(task.config.device)
    backend, deviations = choice.adapter.backend(task.config.device), dict(choice.adapter.deviations)
    sender.send(CheckMessage(backend=backend, deviations=deviations))
    folder = Path(task.folder)
    if task.data is None:
        split = planted_split(folder, rows=task.rows)
    else:
        split = numbered_split(read_dataset(Path(task.data)).split("train"), folder)
    case = Case(choice, split, task.config, say=sender.place, alone=True)
    for result in check_rest(case, task.results, lambda rule: sender.send(CheckMessage(rule=rule))):
        sender.send(CheckMessage(result=result))
    sender.send(CheckMessage(done=True))


if __name__ == "__main__":
    main()
