"""Trials one after the other, each in a process of its own. Each result is handed out as soon as it exists."""

from __future__ import annotations

import queue
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import msgspec

from feedrate.bench.host import venvs
from feedrate.bench.host.processes import end_group, how_it_died
from feedrate.bench.host.watch import Watch
from feedrate.bench.results import flags
from feedrate.bench.results.messages import Message, Progress, Task
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.timing.clock import utc
from feedrate.loaders.errors import LoaderUnavailable


def run_suite(
    trials: Iterable[TrialSpec],
    dataset: Path,
    *,
    timeout_s: float = 300.0,
    logs: Path | None = None,
    progress: Callable[[TrialSpec], Progress] = lambda _spec: lambda _phase, _done, _total: None,
) -> Iterator[TrialResult]:
    """Run the trials in order and yield their results.

    A trial that dies, or reports nothing for `timeout_s` seconds, has failed, and the next one starts. logs: a folder for the
    standard error of trials that are not ok.
    """
    for spec in trials:
        try:
            python = venvs.interpreter(spec.loader)
        except LoaderUnavailable as error:
            yield TrialResult(spec=spec, status="unavailable", detail=str(error), started_at=utc())
            continue
        with tempfile.TemporaryFile() as stderr:
            result = _run_child(python, spec, dataset, timeout_s, stderr, progress(spec))
            if result.status != "ok" and logs is not None:
                result = _keep_log(result, stderr, logs)
        yield result


def remaining(trials: Sequence[TrialSpec], done: Iterable[TrialResult]) -> list[TrialSpec]:
    """Return the trials without a result. Failed and unavailable ones count as not done, so --resume tries them again."""
    again = ("failed", "unavailable")
    finished = {msgspec.json.encode(result.spec) for result in done if result.status not in again}
    return [spec for spec in trials if msgspec.json.encode(spec) not in finished]


def _run_child(
    python: str, spec: TrialSpec, dataset: Path, timeout_s: float, stderr: IO[bytes], progress: Progress
) -> TrialResult:
    started_at = utc()
    child = subprocess.Popen(
        [python, "-m", "feedrate.bench.trial.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,  # Ctrl-C reaches the suite alone, which then ends the whole group
    )
    watch = Watch(child.pid)
    patience_s = 0.0
    try:
        watch.start(spec.device)
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(msgspec.json.encode(Task(spec=spec, dataset=str(dataset))))
        child.stdin.close()
        last = _listen(child.stdout, timeout_s, progress)
        patience_s = 5.0  # it has sent its result, so it is about to end by itself
    except (BrokenPipeError, msgspec.DecodeError):
        last = None
    except TimeoutError:
        return TrialResult(
            spec=spec,
            status="failed",
            started_at=started_at,
            detail=f"it reported nothing for {timeout_s:g} s and was stopped",
        )
    finally:
        watch.stop()
        end_group(child, patience_s=patience_s)
    if last is None or last.result is None:
        return TrialResult(spec=spec, status="failed", started_at=started_at, detail=how_it_died(child.returncode))
    return _watched(replace(last.result, started_at=last.result.started_at or started_at), watch, last.windows)


def _watched(result: TrialResult, watch: Watch, windows: Sequence[tuple[float, float]]) -> TrialResult:
    """Add the peaks and GPU samples that the watch took from outside the process."""
    if result.status != "ok":
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


def _listen(pipe: IO[bytes], timeout_s: float, progress: Progress) -> Message | None:
    """Return the child's last message: its result, unless it died before. Raises TimeoutError after `timeout_s` of silence."""
    lines: queue.Queue[bytes | None] = queue.Queue()

    def read() -> None:
        for line in pipe:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    message = None
    while True:
        try:
            line = lines.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None
        if line is None:
            return message
        message = msgspec.json.decode(line, type=Message)
        if message.result is not None:  # the pipe may stay open: a process that the loader left behind holds it, too
            return message
        if message.phase:
            progress(message.phase, message.done, message.total)


def _keep_log(result: TrialResult, stderr: IO[bytes], logs: Path) -> TrialResult:
    stderr.seek(0)
    content = stderr.read()
    if not content.strip():
        return result
    logs.mkdir(parents=True, exist_ok=True)
    spec = result.spec
    name = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in spec.loader)
    path = logs / f"{name}-{spec.mode}-{spec.batch_size}-{spec.seed}-{spec.repeat}.log"
    path.write_bytes(content)
    return replace(result, detail=f"{result.detail} (see {logs.name}/{path.name})")
