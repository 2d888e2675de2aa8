"""A profiled trial: some steps of a warm training, recorded. Run as a module it is the child's process: a ProfileTask on standard
input, a ProfileMessage on what was standard output. What it measures explains; it never gives the headline number.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch

from feedrate.bench.consumer.steps import make_step
from feedrate.bench.datasets.canonical import read_dataset
from feedrate.bench.host.process_usage import Usage
from feedrate.bench.results.profiles.record import Profiler
from feedrate.bench.results.record import EpochRecord
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.timing import ranges
from feedrate.bench.timing.clock import synchronise
from feedrate.bench.timing.epoch_clock import EpochClock
from feedrate.bench.timing.ranges import span
from feedrate.bench.trial.context import TrialContext
from feedrate.bench.trial.timed_epoch import epoch_record
from feedrate.bench.trial.warm_up import DrawnModel
from feedrate.loaders.base import Batch, Loader
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable

WARM_STEPS = 20
"""Before those that are recorded, as far as an epoch has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileTask:
    spec: TrialSpec
    dataset: str
    steps: int
    profiler: Profiler
    trace: str
    """torch: where the Chrome trace is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileMessage:
    error: str = ""
    steps: int = 0
    rows: int = 0
    epoch: EpochRecord | None = None
    thread: int = 0
    """The consumer's, as the system numbers it."""
    options: dict[str, str] | None = None


def run(task: ProfileTask) -> ProfileMessage:
    """Raises what the loader raises."""
    spec = task.spec
    context = TrialContext.of(spec, read_dataset(Path(task.dataset)), lambda _phase, _done, _total: None)
    context.choice.adapter.backend(spec.device)
    loader = context.open_loader("train", shuffle=True)
    try:
        step = make_step(DrawnModel(context).on_device(), spec.model)
        batches = _endless(loader)
        for batch in itertools.islice(batches, WARM_STEPS):
            step(batch)
        clock = EpochClock(lambda: itertools.islice(batches, task.steps + 1), spec.device)  # the first is left out
        with _recorded(task):  # what it takes to begin and end a recording is no part of the steps
            before = Usage.now(memory=False)
            for number, batch in enumerate(clock):
                with span("step", number):
                    step(batch)
            after = Usage.now(memory=False)
        return ProfileMessage(
            steps=len(clock.waits_s),
            rows=clock.rows,
            epoch=epoch_record(clock, before, after),
            thread=threading.get_native_id(),
            options=context.choice.described(),
        )
    finally:
        loader.close()


def _endless(loader: Loader) -> Iterator[Batch]:
    """Epoch after epoch: a profile's steps may be more than an epoch has."""
    for index in itertools.count():
        empty = True
        for batch in loader.epoch(index):
            empty = False
            yield batch
        if empty:
            raise FeedrateError(f"epoch {index} had no batch")


@contextmanager
def _recorded(task: ProfileTask) -> Iterator[None]:
    """nsys: its capture range; torch: its profiler, whose ranges are ours."""
    with ExitStack() as stack:
        if task.profiler == "nsys":
            synchronise(task.spec.device)
            cuda: Any = torch.cuda
            cuda.cudart().cudaProfilerStart()
            stack.callback(cuda.cudart().cudaProfilerStop)
            stack.callback(synchronise, task.spec.device)
        else:
            activities = [torch.profiler.ProfilerActivity.CPU]
            if task.spec.device != "cpu":
                activities.append(torch.profiler.ProfilerActivity.CUDA)
            ranges.listen(lambda name, _payload: torch.profiler.record_function(name))
            profiler: Any = torch.profiler.profile(activities=activities)
            stack.callback(lambda: profiler.export_chrome_trace(task.trace))
            stack.enter_context(profiler)
            stack.callback(synchronise, task.spec.device)
        yield


def main() -> None:
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=ProfileTask)
    pipe = os.fdopen(os.dup(1), "wb", buffering=0)  # what libraries print goes to standard error
    os.dup2(2, 1)
    try:
        message = run(task)
    except (FeedrateError, LoaderUnavailable) as error:
        message = ProfileMessage(error=str(error))
    except Exception as error:  # a loader may raise anything
        traceback.print_exc()
        message = ProfileMessage(error=f"{type(error).__name__}: {error}")
    pipe.write(msgspec.json.encode(message) + b"\n")
    pipe.close()
    sys.stderr.flush()
    os._exit(0)  # a library's thread that does not end must not keep the profile waiting


if __name__ == "__main__":
    main()
