"""Every trial in a process of its own, one after the other; each result handed out as soon as it is there."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import msgspec
import psutil

from feedrate.bench.host import venvs
from feedrate.bench.host.gpu import GpuSample, NvmlDevice, summary
from feedrate.bench.results import flags
from feedrate.bench.results.messages import Message, Progress, Task
from feedrate.bench.results.record import GpuRecord, TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.timing.clock import now, utc
from feedrate.loaders.errors import LoaderUnavailable

WATCH_EVERY_S = 0.1


def run_suite(
    trials: Iterable[TrialSpec],
    dataset: Path,
    *,
    timeout_s: float = 300.0,
    logs: Path | None = None,
    progress: Callable[[TrialSpec], Progress] = lambda _spec: lambda _phase, _done, _total: None,
) -> Iterator[TrialResult]:
    """Run the trials in order. A trial that dies, or says nothing for `timeout_s`, has failed, and the next one starts.

    logs: where the standard error of trials that are not ok is kept.
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
    """The trials without a result; failed and unavailable ones count as not done, so that --resume tries them again."""
    again = ("failed", "unavailable")
    finished = {msgspec.json.encode(result.spec) for result in done if result.status not in again}
    return [spec for spec in trials if msgspec.json.encode(spec) not in finished]


def _run_child(
    python: str, spec: TrialSpec, dataset: Path, timeout_s: float, stderr: IO[bytes], progress: Progress
) -> TrialResult:
    started_at = utc()
    child = subprocess.Popen(
        [python, "-m", "feedrate.bench.trial.trial"],
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
        patience_s = 5.0  # it has said all it had to say, so it is about to end by itself
    except (BrokenPipeError, msgspec.DecodeError):
        last = None
    except TimeoutError:
        return TrialResult(
            spec=spec,
            status="failed",
            started_at=started_at,
            detail=f"it said nothing for {timeout_s:g} s and was stopped",
        )
    finally:
        watch.stop()
        _end_group(child, patience_s=patience_s)
    if last is None or last.result is None:
        return TrialResult(spec=spec, status="failed", started_at=started_at, detail=_how_it_died(child.returncode))
    return _watched(replace(last.result, started_at=last.result.started_at or started_at), watch, last.windows)


def _watched(result: TrialResult, watch: Watch, windows: Sequence[tuple[float, float]]) -> TrialResult:
    """The result with what was seen from outside."""
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
    """The child's last message: its result, unless it died before. Raises TimeoutError after `timeout_s` of silence."""
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


class Watch:
    """Samples a process tree's memory and the device in a thread of the suite, not of the trial."""

    def __init__(self, pid: int) -> None:
        self.peak_rss_bytes = 0
        self.gpu_samples: list[GpuSample] = []
        self.paused = False
        """Whether it does not look for now."""
        self._process = psutil.Process(pid)
        self._gpu: NvmlDevice | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self, device: str) -> None:
        self._gpu = NvmlDevice.open(device)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._gpu is not None:
            self._gpu.close()

    def gpu_within(self, windows: Sequence[tuple[float, float]]) -> GpuRecord | None:
        """The device during the windows."""
        if self._gpu is None:
            return None
        clock_hz = self._gpu.greatest_sm_clock_hz()
        return summary(self.gpu_samples, windows, period_s=WATCH_EVERY_S, sm_clock_max_hz=clock_hz)

    def peak_gpu_bytes(self) -> int | None:
        """Over what the device had in use when the trial began."""
        used = [sample.used_bytes for sample in self.gpu_samples if sample.used_bytes is not None]
        return max(used) - used[0] if used else None

    def _run(self) -> None:
        while not self._stop.wait(WATCH_EVERY_S):
            if self.paused:
                continue
            self.peak_rss_bytes = max(self.peak_rss_bytes, self._tree_rss_bytes())
            if self._gpu is not None:
                self.gpu_samples.append(self._gpu.sample(now()))

    def _tree_rss_bytes(self) -> int:
        total = 0
        try:
            for process in (self._process, *self._process.children(recursive=True)):
                total += process.memory_info().rss
        except psutil.NoSuchProcess:  # it ended between the two looks; the next sample is whole again
            return total
        return total


def _end_group(child: subprocess.Popen[bytes], *, patience_s: float) -> None:
    """End the child, and whatever workers it left in its group."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=patience_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _how_it_died(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = " (often: out of memory)" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended with exit code {code} before it had a result"


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
