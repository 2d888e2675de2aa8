"""Every rule of the contract, run on one loader in a process of its own: what `feedrate check` does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from feedrate.bench.datasets.canonical import read_dataset
from feedrate.bench.run.check_messages import CheckTask
from feedrate.bench.run.check_process import OUTPUT_BYTES, CheckWorker
from feedrate.loaders.base import LoaderConfig
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.rule_result import RuleResult, broken, grouped
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder

MIN_BATCHES = 4
"""Batches that the rules need in an epoch."""
TIMEOUT_S = 60.0
"""Seconds without a sign of life after which a rule counts as broken."""


def check_loader(
    loader: str,
    config: LoaderConfig,
    *,
    data: Path | None = None,
    rows: int,
    timeout_s: float = TIMEOUT_S,
    import_path: Sequence[str] = (),
    started: Callable[[str], None] = lambda _backend: None,
    printed: Callable[[str], None] = lambda _output: None,
) -> Iterator[RuleResult]:
    """Run every rule in a worker process. Yields rules that hold, and then each mistake with the rules that it spoils.

    data: a prepared dataset whose training rows are used instead of `rows` generated ones.
    timeout_s: seconds without a batch, or without another sign of life, after which a rule counts as broken.
    import_path: folders in which the worker looks for the loader's module, after its own ones.
    started: called with the loader's backend before the first result. printed: called at the end with the last of what
    the loader printed, if it printed anything.

    A worker that dies breaks the rule that it was checking, and another worker goes on with the next rule. Raises
    FeedrateError for too few rows, an unknown or unavailable loader, and a loader that replays batches.
    """
    refuse_few_rows(data, rows, config.batch_size)
    return grouped(
        _results(
            CheckTask(
                loader=loader, config=config, folder="", data=str(data) if data else None, rows=rows,
                import_path=list(import_path), results=[],
            ),
            timeout_s, started, printed,
        )
    )  # fmt: skip


def refuse_few_rows(data: Path | None, rows: int, batch_size: int) -> None:
    """Raise FeedrateError if the dataset's training rows, or the rows to generate, are too few for the rules."""
    available = read_dataset(data).split("train").rows if data else rows
    if available < MIN_BATCHES * batch_size:
        raise FeedrateError(
            f"{data or '--rows'} has {available} rows, but the rules need at least {MIN_BATCHES} batches of {batch_size}: "
            f"{MIN_BATCHES * batch_size}"
        )


def _results(
    task: CheckTask, timeout_s: float, started: Callable[[str], None], printed: Callable[[str], None]
) -> Iterator[RuleResult]:
    """Yield the result of each rule, not grouped. Starts a worker, and another one after each that died."""
    python, output = sys.executable, b""
    results: list[RuleResult] = []
    with TemporaryFolder() as folder:
        while True:
            worker = CheckWorker(python, replace(task, folder=str(folder.path), results=results), timeout_s)
            try:
                for message in worker.messages():
                    if message.error is not None:
                        raise FeedrateError(message.error)
                    if message.backend is not None and not results:
                        started(message.backend)
                    if message.result is not None:
                        results.append(message.result)
                        yield message.result
            finally:
                worker.end()
            output = (output + worker.output)[-OUTPUT_BYTES:]
            if worker.python is not None:
                python = worker.python
                continue
            if worker.rule is not None:
                declared = worker.deviations.get(worker.rule)
                results.append(broken(worker.rule, worker.death(), declared=declared, earlier=results))
                yield results[-1]
            if worker.done or not worker.began:
                break
    if output.strip():
        printed(output.decode(errors="replace"))
