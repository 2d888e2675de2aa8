"""The child process of one trial: a messages.Task on standard input, messages.Message lines on what was standard output."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

import msgspec

from feedrate.bench.datasets.canonical import read_dataset
from feedrate.bench.gate.epoch import GateFailed
from feedrate.bench.host.keeper import adopt_orphans
from feedrate.bench.host.processes import LOST_PIPE
from feedrate.bench.host.ranks.group import ALONE, Group
from feedrate.bench.results.messages import Mark, Message, Progress, Task
from feedrate.bench.results.record import Status, TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.trial.context import TrialContext
from feedrate.bench.trial.trial import run_trial
from feedrate.loaders.error_text import describe, one_line, raised_in_worker, sentence_of
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable
from feedrate.loaders.form import FormBroken, NotABatch
from feedrate.loaders.stores.store_path import path_of
from feedrate.loaders.toolkit.preparation import remove_temporary

_write, _exit = os.write, os._exit
"""Bound here, because a loader may replace functions of `os`."""


def attempt(
    task: Task, say: Progress, mark: Callable[[Mark], None] = lambda _mark: None, group: Group = ALONE
) -> Message:
    """Run a trial, or only its preparation. Whatever goes wrong becomes its status and a sentence; the traceback goes to standard error."""
    spec = task.spec
    try:
        context = TrialContext.of(spec, read_dataset(path_of(task.dataset)), say, mark, group)
        if task.only_prepare:
            return Message(result=TrialResult(spec=spec, status="ok"))
        result, windows = run_trial(context)
    except LoaderUnavailable as error:
        return _without_result(spec, "unavailable", sentence_of(error))
    except NotABatch as error:
        return _without_result(spec, "failed", str(error))
    except (GateFailed, FormBroken) as error:
        return _without_result(spec, "void", str(error))
    except FeedrateError as error:
        _print_traceback_of_cause(error)
        return _without_result(spec, "failed", sentence_of(error))
    except BaseException as error:  # a loader may raise anything, and the suite goes on
        with contextlib.suppress(BaseException):  # it may even have closed standard error
            traceback.print_exc()
        return _without_result(spec, "failed", describe(error))
    return Message(result=result, windows=windows)


def _print_traceback_of_cause(error: FeedrateError) -> None:
    """Log why a module cannot be imported, or where in a worker the error was raised: the sentence cannot hold it in full."""
    cause = error if raised_in_worker(error) else error.__cause__
    if cause is not None:
        with contextlib.suppress(BaseException):
            traceback.print_exception(cause)


def _without_result(spec: TrialSpec, status: Status, detail: str) -> Message:
    return Message(result=TrialResult(spec=spec, status=status, detail=one_line(detail)))


def main() -> None:
    """Read the task, run it, send the result, and end without waiting for threads that a library left behind."""
    adopt_orphans()
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    pipe = take_pipe()

    def say(phase: str, done: int, total: int) -> None:
        send(pipe, Message(phase=phase, done=done, total=total))

    def mark(window: Mark) -> None:
        send(pipe, Message(mark=window))

    send(pipe, attempt(task, say, mark))
    leave()


def take_pipe() -> int:
    """Return the pipe to the suite, which was standard output. What libraries print goes to standard error from now on."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return pipe


def leave(code: int = 0) -> NoReturn:
    """End the process. A library's thread that does not end must not keep the suite waiting."""
    with contextlib.suppress(BaseException):  # a loader may have closed or replaced it
        remove_temporary()
        sys.stderr.flush()
    _exit(code)


def send(pipe: int, message: Message) -> None:
    """Write a message as a line. Without the pipe, no result can reach the suite, so the process ends."""
    try:
        content = msgspec.json.encode(message) + b"\n"
    except (msgspec.MsgspecError, TypeError, ValueError) as error:  # text of the loader's that is no Unicode
        assert message.result is not None
        content = msgspec.json.encode(_without_result(message.result.spec, "failed", describe(error))) + b"\n"
    try:
        while content:
            content = content[_write(pipe, content) :]
    except OSError:
        _exit(LOST_PIPE)


if __name__ == "__main__":
    main()
