"""Runs cases in worker processes, each with a folder of its own. A worker that hangs or dies is replaced."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from tests.fuzz.oracle import MAX_SECONDS

ROOT = Path(__file__).parents[2]
POLL_S = 5.0
IDLE_S = 0.02
"""A process that works for less than this in POLL_S waits for something. Other processes may keep it from working, too."""
MAX_WAITS = 6
"""Polls in a row after which a waiting process hangs."""


def run_cases(
    cases: Sequence[tuple[str, int]],
    folder: Path,
    *,
    workers: int,
    done: Callable[[dict[str, Any]], None] = lambda _answer: None,
) -> list[dict[str, Any]]:
    """Return the answer to each (target, seed), in no order. done: called with each at once."""
    shares = [cases[number::workers] for number in range(workers)]
    answers: list[dict[str, Any]] = []

    def work(number: int) -> None:
        for answer in _answers(shares[number], folder / str(number)):
            answers.append(answer)
            done(answer)

    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(work, range(workers)))
    return answers


def _answers(cases: Sequence[tuple[str, int]], folder: Path) -> Iterator[dict[str, Any]]:
    worker: _Worker | None = None
    try:
        for target, seed in cases:
            worker = worker or _Worker(folder)
            answer = worker.answer(target, seed)
            if answer is None:
                said = worker.end()
                worker = None
                yield {
                    "target": target,
                    "seed": seed,
                    "argv": [],
                    "code": None,
                    "seconds": 0.0,
                    "stopped": False,
                    "said": "",
                    "violations": [said],
                }
            else:
                yield answer
    finally:
        if worker is not None:
            worker.end()


class _Worker:
    """A process that runs cases one after the other."""

    def __init__(self, folder: Path) -> None:
        scratch = folder / "case/tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        self._log = (folder / "log").open("w+b")
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder / "case/home"),
            "XDG_CACHE_HOME": str(folder / "case/home/cache"),
            "TMPDIR": str(scratch),
            "POLARS_MAX_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=environment, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._questions, self._answers = self._process.stdin, self._process.stdout
        self._answers.readline()  # it has imported everything

    def answer(self, target: str, seed: int) -> dict[str, Any] | None:
        """Run a case. None if the worker dies, or hangs and is ended."""
        try:
            self._questions.write(f"{target} {seed}\n".encode())
            self._questions.flush()
        except BrokenPipeError:
            return None
        line = self._answers.readline() if self._answered() else b""
        return json.loads(line) if line else None

    def _answered(self) -> bool:
        """Wait for an answer or the process's end. Return False if it works for too long, or waits for something else."""
        begin, waits = self._worked_s(), 0
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            while True:
                before = self._worked_s()
                if selector.select(POLL_S):
                    return True
                worked = self._worked_s()
                waits = waits + 1 if worked - before < IDLE_S else 0
                if waits == MAX_WAITS or worked - begin > MAX_SECONDS:
                    self._ask_where()
                    return False

    def _worked_s(self) -> float:
        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(times.user + times.system)

    def _ask_where(self) -> None:
        """Let the process write its stack to the log."""
        self._process.send_signal(6)
        time.sleep(1)

    def end(self) -> str:
        """End the process, and return how it ended."""
        if self._process.poll() is None:
            self._process.kill()
        code = self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").rpartition("Fatal Python error")[2][:3000]
        self._log.close()
        return f"the worker hung or died ({code}): {said}"
