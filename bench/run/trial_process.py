"""One trial's process, seen from the suite: its messages, the times at which they arrived, and how it ended."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import IO

import msgspec
import psutil

from feedrate.bench.host.kept_process import Ended, KeptProcess
from feedrate.bench.host.memory.limit import limited
from feedrate.bench.host.processes import how_it_died
from feedrate.bench.host.thread_times import run_queue_s
from feedrate.bench.host.watch import Watch
from feedrate.bench.results import flags
from feedrate.bench.results.messages import Message, Progress, Task
from feedrate.bench.results.parts.memory import LimitRecord
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.ranks.launch import Launch, Launcher, launch
from feedrate.bench.run.windows import Stamp, clock_fault, suspended
from feedrate.bench.timing.clock import now, suspended_s, utc
from feedrate.loaders.error_text import one_line
from feedrate.loaders.stores.store_path import address_of

MAX_MESSAGE_BYTES = 256 << 20
"""Longest line that a trial's process may send."""
MAX_WAITING_LINES = 10_000
"""Lines that may wait to be decoded. A process that sends more has to wait."""
MUCH_OUTPUT_BYTES = 10_000_000
"""Output of a trial that is worth a flag."""
PATIENCE_S = 5.0
"""Seconds in which a process must end that has sent its result or closed its pipe."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the child's, complete or cut at MAX_MESSAGE_BYTES. Empty at the end of the pipe."""

    content: bytes
    at_s: float = 0.0
    queued_s: float = 0.0
    suspended_s: float = 0.0


@dataclass(slots=True)
class _Heard:
    """What the child has said so far."""

    message: Message | None = None
    """The message with the result."""
    stamps: list[Stamp] = field(default_factory=list)
    ended: Ended | None = None
    failure: str = ""
    """Why the suite stops to listen."""


def run_in_process(
    python: str,
    spec: TrialSpec,
    dataset: Path,
    *,
    timeout_s: float,
    progress: Progress,
    only_prepare: bool = False,
    launcher: Launcher = launch,
) -> tuple[TrialResult, bytes]:
    """Run a trial in a new process. Return its result and what it printed, which is cut in the middle.

    only_prepare: write the dataset in the loader's own format, and run no trial. launcher: how to start it.

    A memory limit holds for the trial, not for that preparation.
    A trial that dies, or reports nothing for `timeout_s` seconds, has failed.
    """
    started_at = utc()
    events: queue.Queue[_Line | Ended] = queue.Queue()
    done = threading.Event()
    task = Task(spec=spec, dataset=address_of(dataset), only_prepare=only_prepare)
    limit_bytes = None if only_prepare else spec.memory_limit_bytes
    with launcher(python, task) as how, limited(limit_bytes) if limit_bytes else nullcontext() as group:
        command = how.command if group is None else group.command(how.command)
        child = KeptProcess(command, events.put, variables=how.variables)
        threading.Thread(target=_read, args=(child.stdout, events, done), name="feedrate messages", daemon=True).start()
        patience_s = 0.0
        watch = None
        try:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
                watch = Watch(child.pid)
                watch.start(spec.device)
            child.send(how.stdin)
            heard = _listen(events, timeout_s, progress, how)
            patience_s = PATIENCE_S if heard.message else 0.0
        finally:
            done.set()
            if watch is not None:
                watch.stop()
            ended = child.end(patience_s)
        output = child.stderr.content()
        limit = group.record() if group else None
        result = _result(_as_sent(spec), heard, ended, how.failure(ended, output) if heard.message is None else "")
        output += how.printed()
    result = replace(_limited(result, limit), spec=spec, started_at=result.started_at or started_at)
    windows = heard.message.windows if heard.message else ()
    return _flagged(_watched(result, watch, windows), child.stderr.nbytes), output


def _as_sent(spec: TrialSpec) -> TrialSpec:
    """Return the spec as JSON gives it to the child: text of a user's may hold what JSON does not."""
    return msgspec.json.decode(msgspec.json.encode(spec), type=TrialSpec)


def _read(pipe: IO[bytes], events: queue.Queue[_Line | Ended], done: threading.Event) -> None:
    """Pass on every line with the time of its arrival, and at the end an empty one."""
    with pipe:
        while content := pipe.readline(MAX_MESSAGE_BYTES + 1):
            events.put(_Line(content, now(), run_queue_s(), suspended_s()))
            if not content.endswith(b"\n"):
                break
            while events.qsize() > MAX_WAITING_LINES and not done.wait(0.001):
                continue
    events.put(_Line(b""))


def _listen(events: queue.Queue[_Line | Ended], timeout_s: float, progress: Progress, how: Launch) -> _Heard:
    """Listen until there is a result, or a reason to stop. A loader may have closed the pipe or left it to a worker."""
    heard = _Heard()
    closed = False
    while not heard.failure and heard.message is None and not (closed and heard.ended):
        try:
            event = events.get(timeout=PATIENCE_S if closed or heard.ended else timeout_s)
        except queue.Empty:
            heard.failure = (
                f"it closed the pipe to feedrate without a result, and feedrate stopped it {PATIENCE_S:g} s later"
                if closed
                else f"{how.quiet()} reported nothing for {timeout_s:g} s and was stopped"
            )
            if heard.ended:  # a foreign process holds the pipe open
                heard.failure = how_it_died(*astuple(heard.ended))
            break
        if isinstance(event, Ended):
            heard.ended = event
        elif not event.content:
            closed = True
        else:
            heard.failure = _hear(heard, event, progress)
    return heard


def _hear(heard: _Heard, line: _Line, progress: Progress) -> str:
    """Take in one line. Return a sentence if it is no message."""
    if not line.content.endswith(b"\n"):
        if len(line.content) > MAX_MESSAGE_BYTES:
            return f"it sent a message of more than {MAX_MESSAGE_BYTES >> 20} MiB and was stopped"
        return ""  # the process ended within a line
    try:
        message = msgspec.json.decode(line.content, type=Message)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        start = line.content[:60].decode(errors="backslashreplace").rstrip("\n")
        return one_line(f"it sent a line that is no message of feedrate's ({error}): {start!r}")
    if message.mark:
        heard.stamps.append(Stamp(message.mark, line.at_s, line.queued_s, line.suspended_s))
    if message.result is not None:
        heard.message = message
    elif message.phase:
        progress(one_line(message.phase, 60), message.done, message.total)
    return ""


def _result(spec: TrialSpec, heard: _Heard, ended: Ended, failure: TrialResult | str) -> TrialResult:
    """The child's result, if it can be believed, or how it ended without one. failure: what is known of its ranks."""
    if heard.message is None or heard.message.result is None:
        if isinstance(failure, TrialResult):
            return failure
        detail = failure or heard.failure or how_it_died(*astuple(heard.ended or ended))
        return TrialResult(spec=spec, status="failed", detail=detail)
    result = heard.message.result
    if result.spec != spec:
        return TrialResult(spec=spec, status="failed", detail="it sent the result of another trial")
    if result.status == "ok" and (fault := clock_fault(result, heard.message.windows, heard.stamps)):
        return TrialResult(spec=spec, status="void", detail=fault, started_at=result.started_at)
    return replace(result, flags=(*result.flags, *suspended(heard.stamps)))


def _limited(result: TrialResult, limit: LimitRecord | None) -> TrialResult:
    """Add what the kernel counted, and say so if it killed a process: that is why the trial failed, or was slow."""
    if limit is None:
        return result
    why = limit.killed()
    if why and result.status == "failed":
        return replace(result, memory_limit=limit, detail=one_line(f"{why}: {result.detail}"))
    return replace(result, memory_limit=limit, flags=(*result.flags, *filter(None, [why])))


def _watched(result: TrialResult, watch: Watch | None, windows: Sequence[tuple[float, float]]) -> TrialResult:
    """Add the peaks and GPU samples that the watch took from outside the process."""
    if result.status != "ok" or watch is None:
        return result
    gpu = watch.gpu_within(windows)
    peaks = [peak for peak in (result.peak_gpu_bytes, watch.peak_gpu_bytes()) if peak is not None]
    return replace(
        result,
        peak_rss_bytes=watch.peak_rss_bytes,
        peak_gpu_bytes=max(peaks, default=None),
        gpu=gpu,
        flags=(*result.flags, *flags.throttled(gpu)),
    )


def _flagged(result: TrialResult, printed_bytes: int) -> TrialResult:
    """Add a flag if the trial printed so much that it may have cost time."""
    if result.status != "ok" or printed_bytes < MUCH_OUTPUT_BYTES:
        return result
    flag = f"it printed {printed_bytes / 1e6:,.1f} MB, which takes time"
    return replace(result, flags=(*result.flags, flag))
