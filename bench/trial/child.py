"""The child process of one trial: a messages.Task on standard input, messages.Message lines on what was standard output."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec

from feedrate.bench.datasets.canonical import read_dataset
from feedrate.bench.gate.epoch import GateFailed
from feedrate.bench.results.messages import Mark, Message, Progress, Task
from feedrate.bench.results.record import Status, TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.trial.context import TrialContext
from feedrate.bench.trial.trial import run_trial
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable
from feedrate.loaders.form import FormBroken, NotABatch


def attempt(spec: TrialSpec, folder: Path, say: Progress, mark: Callable[[Mark], None] = lambda _mark: None) -> Message:
    """Run a trial. Whatever goes wrong becomes its status and a sentence; the traceback goes to standard error."""
    try:
        result, windows = run_trial(TrialContext.of(spec, read_dataset(folder), say, mark))
    except LoaderUnavailable as error:
        return _without_result(spec, "unavailable", str(error))
    except NotABatch as error:
        return _without_result(spec, "failed", str(error))
    except (GateFailed, FormBroken) as error:
        return _without_result(spec, "void", str(error))
    except FeedrateError as error:
        return _without_result(spec, "failed", str(error))
    except Exception as error:  # a loader may raise anything, and the suite goes on
        traceback.print_exc()
        return _without_result(spec, "failed", f"{type(error).__name__}: {error}")
    return Message(result=result, windows=windows)


def _without_result(spec: TrialSpec, status: Status, detail: str) -> Message:
    return Message(result=TrialResult(spec=spec, status=status, detail=detail))


def main() -> None:
    """Read the task, run it, send the result, and end without waiting for threads that a library left behind."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    # What libraries print goes to standard error; the suite's pipe is ours alone.
    pipe = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def say(phase: str, done: int, total: int) -> None:
        pipe.write(msgspec.json.encode(Message(phase=phase, done=done, total=total)) + b"\n")

    def mark(window: Mark) -> None:
        pipe.write(msgspec.json.encode(Message(mark=window)) + b"\n")

    pipe.write(msgspec.json.encode(attempt(task.spec, Path(task.dataset), say, mark)) + b"\n")
    pipe.close()
    sys.stderr.flush()
    os._exit(0)  # a library's thread that does not end must not keep the suite waiting


if __name__ == "__main__":
    main()
