"""Trials one after the other, each in a process of its own. Each result is handed out as soon as it exists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from feedrate.bench.datasets.canonical import read_dataset
from feedrate.bench.results.messages import Progress
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.results.store import TRIED_AGAIN
from feedrate.bench.results.whole_file import write_whole
from feedrate.bench.run.data_files import FileState, change, file_states, stored_states
from feedrate.bench.run.loader_lookup import interpreter
from feedrate.bench.run.preparations import Preparations
from feedrate.bench.run.ranks.launch import Launcher, launch
from feedrate.bench.run.trial_process import run_in_process
from feedrate.bench.timing.clock import utc
from feedrate.loaders.error_text import one_line, without_secrets
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable
from feedrate.loaders.stores.attempts import StoreError
from feedrate.loaders.stores.store_path import StorePath


def run_suite(
    trials: Iterable[TrialSpec],
    dataset: Path,
    *,
    timeout_s: float = 300.0,
    logs: Path | None = None,
    progress: Callable[[TrialSpec], Progress] = lambda _spec: lambda _phase, _done, _total: None,
    preparations: Preparations | None = None,
    launcher: Launcher = launch,
) -> Iterator[TrialResult]:
    """Run the trials in order and yield their results.

    A trial that dies, or reports nothing for `timeout_s` seconds, has failed, and the next one starts. logs: a folder for the
    standard error of trials that are not ok. preparations: what earlier calls have prepared. launcher: how to start
    each trial.

    Raises FeedrateError after the result of a trial during which files of the dataset changed: later trials would be wrong.
    """
    prepared = read_dataset(dataset)
    for name in prepared.info.splits:
        prepared.row_index(name)  # made here for old datasets, so that no trial changes the files
    states = partial(stored_states, prepared) if isinstance(dataset, StorePath) else partial(file_states, dataset)
    preparations = preparations or Preparations(dataset, timeout_s=timeout_s, progress=progress)
    for spec in trials:
        try:
            python = interpreter(spec.loader)
        except LoaderUnavailable as error:
            yield TrialResult(spec=spec, status="unavailable", detail=one_line(str(error)), started_at=utc())
            continue
        failure, output = preparations.before(python, spec)
        if failure is not None:
            yield failure if logs is None else _keep_log(failure, output, logs)
            continue
        before = states()
        result, output = run_in_process(
            python, spec, dataset, timeout_s=timeout_s, progress=progress(spec), launcher=launcher
        )
        if changed := _changed(before, states):
            detail = "; ".join(filter(None, (f"{changed} while this trial ran", result.detail)))
            result = TrialResult(spec=spec, status="void", detail=detail, started_at=result.started_at)
        if result.status != "ok" and logs is not None:
            result = _keep_log(result, output, logs)
        yield result
        if changed:
            raise FeedrateError(
                f"{dataset}: {changed} while a trial of {spec.loader} ran: prepare the data again with --overwrite, "
                "then continue the run with --resume"
            )


def _changed(before: Mapping[str, FileState], states: Callable[[], dict[str, FileState]]) -> str:
    """Return a phrase about a file that has changed. Empty if none has, and if a store no longer answers: the next trial says so."""
    try:
        return change(before, states())
    except StoreError:
        return ""


def remaining(trials: Sequence[TrialSpec], done: Iterable[TrialResult]) -> list[TrialSpec]:
    """Return the trials without a result. Failed and unavailable ones count as not done, so --resume tries them again."""
    finished = {msgspec.json.encode(result.spec) for result in done if result.status not in TRIED_AGAIN}
    return [spec for spec in trials if msgspec.json.encode(spec) not in finished]


def _keep_log(result: TrialResult, output: bytes, logs: Path) -> TrialResult:
    if not output.strip():
        return result
    spec = result.spec
    name = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in spec.loader)
    ranks = f"-{spec.ranks}-ranks" if spec.ranks > 1 else ""
    path = logs / f"{name}-{spec.mode}-{spec.batch_size}-{spec.seed}-{spec.repeat}{ranks}.log"
    try:
        write_whole(path, without_secrets(output.decode(errors="replace")).encode())
    except FeedrateError as error:  # of a full disk, say: the result must not be lost with the log
        return replace(result, detail=one_line(f"{result.detail} (no log: {error})"))
    return replace(result, detail=f"{result.detail} (see {logs.name}/{path.name})")
