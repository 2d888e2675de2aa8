"""Records some steps of a warm training with a profiler.

Run as a module, it is the child process. It reads a ProfileTask from standard input and writes a ProfileMessage to the
original standard output. Its measurements explain a result. They are never the headline number.
"""

from __future__ import annotations

import collections
import itertools
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, NoReturn

import msgspec
import torch
from torch._C._profiler import _ExperimentalConfig

from feedrate.bench.consumer.steps import Step
from feedrate.bench.datasets.canonical import read_dataset
from feedrate.bench.host.device import make_current
from feedrate.bench.host.process_usage import Usage
from feedrate.bench.host.ranks.group import ALONE, Group, Launched, joined
from feedrate.bench.profiling import workers
from feedrate.bench.profiling.sampler import sampled
from feedrate.bench.results.profiles.record import Profiler
from feedrate.bench.results.record import EpochRecord
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.timing import ranges
from feedrate.bench.timing.clock import synchronise
from feedrate.bench.timing.epoch_clock import EpochClock
from feedrate.bench.timing.ranges import span
from feedrate.bench.trial.child import take_pipe
from feedrate.bench.trial.context import TrialContext
from feedrate.bench.trial.learner import Learner
from feedrate.bench.trial.timed_epoch import epoch_record
from feedrate.bench.trial.warm_up import DrawnModel
from feedrate.loaders.base import Batch, Loader
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable
from feedrate.loaders.stores.store_path import path_of

WARM_STEPS = 20
"""Unrecorded steps before the recording, to warm up. They continue into further epochs if one is too short."""

JOIN_S = 600.0
"""Seconds after which a rank that waits for another one gives up."""
SAMPLED_S = 3.0
"""Seconds of training that py-spy samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileTask:
    """What the child process should record."""

    spec: TrialSpec
    dataset: str
    """Folder of the prepared dataset."""
    steps: int
    """Steps to record. One more runs before them, which the tables leave out."""
    profiler: Profiler
    trace: str
    """Path for the Chrome trace. Only the torch profiler writes it."""
    batches: str = ""
    """Folder for the files that bench/profiling/workers.py describes. Empty: worker processes are not recorded."""
    sampler: str = ""
    """Path of py-spy. Empty: no stacks are sampled."""
    stacks: str = ""
    """Path for the folded stacks."""
    rank: int = 0
    """The rank to record, if there are several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileMessage:
    """What the child process reports."""

    error: str = ""
    """Reason of a failure. Empty if the recording succeeded."""
    steps: int = 0
    rows: int = 0
    epoch: EpochRecord | None = None
    thread: int = 0
    """The operating system's id of the consumer's thread."""
    threads: dict[int, str] = field(default_factory=dict)
    """Python's names of the process's threads, by the operating system's id."""
    started_ns: list[int] = field(default_factory=list)
    """time.time_ns() at the start of each step."""
    process: int = 0
    """Id of the process."""
    notes: list[str] = field(default_factory=list)
    options: dict[str, str] | None = None


def run(task: ProfileTask, group: Group = ALONE) -> ProfileMessage:
    """Warm up, record the steps, and return the harness's clocks for them. Raises what the loader raises.

    Of several ranks, the task's is recorded. The others train beside it until they are ended.
    """
    spec = task.spec
    if task.batches:
        workers.record_batches(Path(task.batches))
    context = TrialContext.of(
        spec, read_dataset(path_of(task.dataset)), lambda _phase, _done, _total: None, group=group
    )
    context.choice.adapter.backend(spec.device)
    loader = context.open_loader("train", shuffle=True)
    try:
        step = _step(context)
        batches = _endless(loader)
        if group.size > 1 and group.rank != task.rank:
            collections.deque(map(step, batches), maxlen=0)
        for batch in itertools.islice(batches, WARM_STEPS):
            step(batch)
        started_ns: list[int] = []
        threads = _thread_names()
        clock = EpochClock(
            lambda: itertools.islice(batches, task.steps + 1), spec.device
        )  # the tables leave out the first
        with _recording(task):  # starting and ending a recording must not count as usage of the steps
            before = Usage.now(memory=False)
            for number, batch in enumerate(clock):
                started_ns.append(time.time_ns())
                with span("step", number):
                    step(batch)
            after = Usage.now(memory=False)
        notes = list(_sample(task, batches, step))
        return ProfileMessage(
            steps=len(clock.waits_s),
            rows=clock.rows,
            epoch=epoch_record(clock, before, after),
            thread=threading.get_native_id(),
            threads=threads | _thread_names(),
            started_ns=started_ns,
            process=os.getpid(),
            notes=notes,
            options=context.choice.described(),
        )
    finally:
        loader.close()


def _step(context: TrialContext) -> Step:
    return Learner.of(DrawnModel(context).on_device(), context.spec.model, context.group).step


@contextmanager
def _group(device: str, ranks: int) -> Iterator[tuple[str, Group]]:
    """Join the other ranks, if there are any, and yield this rank's device."""
    if ranks == 1:
        yield device, ALONE
        return
    launched = Launched.of(os.environ)
    device = launched.device_of(device)
    make_current(device)
    with joined(launched, device, JOIN_S) as group:
        yield device, group


def _sample(task: ProfileTask, batches: Iterator[Batch], step: Callable[[Batch], object]) -> Iterator[str]:
    """Train on for SAMPLED_S seconds while py-spy samples, after the recording so that neither slows the other.

    Yields a note if sampling is not possible.
    """
    if not task.sampler:
        return
    try:
        with sampled(task.sampler, Path(task.stacks)):
            end_s = time.monotonic() + SAMPLED_S
            while time.monotonic() < end_s:
                step(next(batches))
            synchronise(task.spec.device)
    except FeedrateError as error:
        yield f"No flame graph: {error}"


def _thread_names() -> dict[int, str]:
    """Return the names of the threads that run Python, by the operating system's id."""
    return {thread.native_id: thread.name for thread in threading.enumerate() if thread.native_id}


def _endless(loader: Loader) -> Iterator[Batch]:
    """Yield batches of epoch after epoch, because an epoch may be shorter than the profile."""
    for index in itertools.count():
        empty = True
        for batch in loader.epoch(index):
            empty = False
            yield batch
        if empty:
            raise FeedrateError(
                f"epoch {index} of the loader has no batches: profile a loader that yields at least one"
            )


@contextmanager
def _recording(task: ProfileTask) -> Iterator[None]:
    """Record the block with nsys (its capture range) or torch.profiler (with feedrate's ranges)."""
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
            profiler: Any = torch.profiler.profile(
                activities=activities, experimental_config=_ExperimentalConfig(profile_all_threads=True)
            )
            stack.callback(lambda: profiler.export_chrome_trace(task.trace))
            stack.enter_context(profiler)
            stack.callback(synchronise, task.spec.device)
        yield


def main() -> None:
    """Run the task from standard input in this child process and report the result."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=ProfileTask)
    pipe = os.fdopen(take_pipe(), "wb", buffering=0)
    try:
        with _group(task.spec.device, task.spec.ranks) as (device, group):
            message = run(replace(task, spec=replace(task.spec, device=device)), group)
            _leave(pipe, message)  # while the group is joined: the other ranks are in the middle of a step
    except (FeedrateError, LoaderUnavailable) as error:
        message = ProfileMessage(error=str(error))
    except Exception as error:  # a loader may raise anything
        traceback.print_exc()
        message = ProfileMessage(error=f"{type(error).__name__}: {error}")
    _leave(pipe, message)


def _leave(pipe: IO[bytes], message: ProfileMessage) -> NoReturn:
    pipe.write(msgspec.json.encode(message) + b"\n")
    pipe.close()
    sys.stderr.flush()
    os._exit(0)  # a library's thread that never ends must not delay the profile


if __name__ == "__main__":
    main()
