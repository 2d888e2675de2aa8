"""Looks up users' loaders in a process of its own, because importing their modules may do anything.

Run as a module, it is that process: it reads loaders as JSON from standard input and writes an Answer for each, one per line.
Loaders that come with feedrate are looked up in the caller's process.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from feedrate.bench.host import venvs
from feedrate.bench.host.kept_process import Ended, KeptProcess
from feedrate.bench.host.lifecycle.search_path import module_command
from feedrate.bench.host.processes import how_it_died
from feedrate.loaders import registry
from feedrate.loaders.error_text import describe
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is known of a loader."""

    refused: str = ""
    """Why feedrate cannot run it at all: an unknown name, an invalid option, an error of its module."""
    missing: str = ""
    """Why it cannot run here: its own environment is not installed."""
    python: str = sys.executable
    """The interpreter that runs its trials."""
    prepares: bool = False
    """Whether it reads a format of its own, which is written before its first trial."""
    reads_stores: bool = False
    """Whether it reads from object stores. True as well if its library is missing: its trials say so."""


LAST_LINES_S = 2.0
"""Seconds in which the last lines of a process that has ended must arrive."""
_ANSWERS: dict[str, Answer] = {}
"""Answers of this process for interpreter(). Importing a module that needs torch takes seconds."""


def check_texts(loaders: Sequence[str]) -> None:
    """Raise FeedrateError if one of the loaders would be refused, as far as one can tell without its library."""
    theirs = []
    for loader in loaders:
        if _is_built_in(loader):
            registry.check_text(loader)
        else:
            theirs.append(loader)
    _ANSWERS.update(look_up(theirs))
    for loader in theirs:
        if _ANSWERS[loader].refused:
            raise FeedrateError(_ANSWERS[loader].refused)


def interpreter(loader: str) -> str:
    """Return the Python that runs the loader's trials. Raises LoaderUnavailable if its environment is not installed."""
    if _is_built_in(loader):
        return venvs.interpreter(loader)
    if loader not in _ANSWERS:
        _ANSWERS.update(look_up([loader]))
    if _ANSWERS[loader].missing:
        raise LoaderUnavailable(_ANSWERS[loader].missing)
    return _ANSWERS[loader].python


def prepares(loader: str) -> bool:
    """Return whether the loader is known to read a format of its own. Of users' loaders, interpreter() finds that out."""
    return _prepares(loader) if _is_built_in(loader) else _ANSWERS.get(loader, Answer()).prepares


def reads_stores(loader: str) -> bool:
    """Return whether the loader reads from object stores, as far as that is known. check_texts() has looked up users' loaders."""
    return (
        _reads_stores(loader) if _is_built_in(loader) else _ANSWERS[loader].reads_stores if loader in _ANSWERS else True
    )


def look_up(loaders: Sequence[str], *, timeout_s: float = venvs.IMPORT_S) -> dict[str, Answer]:
    """Look up loaders in one process, or in more if a module ends it. timeout_s: for the import of one of them."""
    answers: dict[str, Answer] = {}
    while left := [loader for loader in loaders if loader not in answers]:
        received, problem = _ask(left, timeout_s)
        answers.update(zip(left, received, strict=False))
        if len(received) < len(left):
            answers[left[len(received)]] = Answer(refused=f"loader {left[len(received)]} cannot be imported: {problem}")
    return answers


def _is_built_in(loader: str) -> bool:
    return loader.partition(":")[0] in registry.BUILT_IN


def _ask(loaders: Sequence[str], timeout_s: float) -> tuple[list[Answer], str]:
    """Return the answers to the first loaders, and why there are no more."""
    events: queue.Queue[bytes | Ended] = queue.Queue()
    child = KeptProcess(module_command(sys.executable, __name__), events.put)
    stdout = child.stdout

    def read() -> None:
        with stdout:
            for line in stdout:
                events.put(line)
        events.put(b"")

    threading.Thread(target=read, name="feedrate lookup", daemon=True).start()
    answers: list[Answer] = []
    problem, dead = "", False
    try:
        child.send(msgspec.json.encode(list(loaders)))
        while len(answers) < len(loaders):
            # the last lines may come after the end, and another process may hold the pipe open
            event = events.get(timeout=LAST_LINES_S if dead else timeout_s)
            if isinstance(event, Ended):
                dead = True
            elif event:
                answers.append(msgspec.json.decode(event, type=Answer))
            else:
                break
    except queue.Empty:
        problem = "" if dead else f"the import took more than {timeout_s:g} s"
    except msgspec.DecodeError:
        problem = "its module wrote to a file descriptor that it did not open"
    finally:
        ended = child.end(0.0 if problem else LAST_LINES_S)
    return answers, problem or how_it_died(ended.code, ended.stopped).replace("a result", "an answer")


def _answer(loader: str) -> Answer:
    try:
        registry.check_text(loader)
        return Answer(python=venvs.interpreter(loader), prepares=_prepares(loader), reads_stores=_reads_stores(loader))
    except LoaderUnavailable as error:
        return Answer(missing=str(error), reads_stores=True)
    except FeedrateError as error:
        return Answer(refused=str(error))
    except BaseException as error:  # the loader's own options may raise anything
        return Answer(refused=f"loader {loader}: {describe(error)}")


def _prepares(loader: str) -> bool:
    try:
        return registry.choose(loader).adapter.prepare is not None
    except LoaderUnavailable:  # its trials say why
        return False


def _reads_stores(loader: str) -> bool:
    try:
        return registry.choose(loader).adapter.reads_stores
    except LoaderUnavailable:  # its trials say why
        return True


def main() -> None:
    """Answer for each loader, and end without waiting for threads that a module left behind."""
    loaders = msgspec.json.decode(sys.stdin.buffer.read(), type=list[str])
    pipe = os.dup(1)
    os.dup2(2, 1)  # what modules print while they are imported is not an answer
    write, leave = os.write, os._exit
    for loader in loaders:
        write(pipe, msgspec.json.encode(_answer(loader)) + b"\n")
    leave(0)


if __name__ == "__main__":
    main()
