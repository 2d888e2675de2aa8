"""Checks that a file is a run record and that its numbers are plausible. Nothing in it is executed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import Any

import msgspec

from feedrate.bench.results.bounds import MAX_ROWS_PER_S, TOLERANCE
from feedrate.bench.results.compressed import MAX_BYTES, UNREADABLE, read_bytes
from feedrate.bench.results.parts.steps import steps_of
from feedrate.bench.results.record import SCHEMA_VERSION, RunRecord, TrialResult
from feedrate.loaders.errors import FeedrateError

MAX_FAULTS = 50
"""Faults that are named."""
MAX_CHARACTERS = 10_000
"""Characters of a string."""
MAX_INTEGER = 2**63 - 1


def faults(file: Path) -> list[str]:
    """Return a sentence for each fault. A file that cannot be read as a record has one fault."""
    try:
        if not file.is_file():
            return ["no such file"]
        if file.stat().st_size > MAX_BYTES:
            megabytes = file.stat().st_size / 1e6
            return [f"it has {megabytes:,.0f} MB, over the {MAX_BYTES / 1e6:,.0f} MB that a record may have"]
        content = msgspec.json.decode(read_bytes(file))
    except FeedrateError as error:  # of its compression
        return [str(error)]
    except UNREADABLE as error:
        return [f"it is not readable JSON: {error}"]
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        return [f"schema_version is {repr(version)[:40]}, but must be a number from 1 to {SCHEMA_VERSION}"]
    faults = list(islice(chain(_values(content, ""), _typed(content)), MAX_FAULTS))
    return [*faults, "and perhaps more"] if len(faults) == MAX_FAULTS else faults


def faults_of_publishing(file: Path) -> list[str]:
    """Return a sentence for each reason not to publish a valid record: nobody else could have the code that made it."""
    environment = msgspec.json.decode(read_bytes(file), type=RunRecord).environment
    if environment.commit is None:
        return ["environment.commit is null: make records to publish from a commit"]
    if environment.dirty is not False:
        return [
            f"environment.dirty is {'true' if environment.dirty else 'null'}: make records to publish from a clean checkout"
        ]
    return []


def _typed(content: dict[str, Any]) -> Iterator[str]:
    """Yield a fault for each part with a wrong type or bound. If there is none, yield the contradictions within the record."""
    trials = content.get("trials", [])
    listed = isinstance(trials, list)  # otherwise it is a fault of the record, which the conversion names
    record, faults = _converted({**content, "trials": [] if listed else trials}, RunRecord, "")
    trials = trials if listed else []
    results = [_converted(trial, TrialResult, f"trials[{number}]") for number, trial in enumerate(trials)]
    faults += [fault for _, faults_of_trial in results for fault in faults_of_trial]
    if record is None or faults:
        yield from faults
        return
    yield from _consistent(record, [trial for trial, _ in results])


def _converted(value: Any, kind: Any, place: str) -> tuple[Any, list[str]]:
    """Return (the value as its type, its first fault)."""
    try:
        return msgspec.convert(value, kind), []
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        path = path.rstrip("`")
        where = f"{place}{path}".lstrip(".") or "the record"
        return None, [f"{where} is {_shown(_lookup(value, path))}: {what[:1].lower()}{what[1:]}"]
    except (FeedrateError, OverflowError, RecursionError) as error:
        return None, [f"{place or 'the record'}: {str(error)[:MAX_CHARACTERS]}"]


def _lookup(value: Any, path: str) -> Any:
    """The value at msgspec's path, such as .epochs[1].wall_s. In a mapping msgspec says [...]; then it is the mapping."""
    for name, number in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", path):
        if number == "...":
            break
        value = value.get(name) if name and isinstance(value, dict) else value[int(number)] if number else value
    return value


def _shown(value: Any) -> str:
    try:
        text = str(value)
    except RecursionError:
        return "a value that is nested too deeply to show"
    return text if len(text) <= 60 else f"{text[:40]} ..."


def _values(value: Any, place: str) -> Iterator[str]:
    """Yield a fault for each number and string that no record could hold, at any depth."""
    if isinstance(value, dict):
        for name, item in value.items():
            if len(name) > MAX_CHARACTERS:
                yield f"{place or 'the record'} has a name of {len(name):,} characters, over {MAX_CHARACTERS:,}"
            yield from _values(item, f"{place}.{name[:40]}" if place else name[:40])
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _values(item, f"{place}[{number}]")
    elif isinstance(value, str) and len(value) > MAX_CHARACTERS:
        yield f"{place} has {len(value):,} characters, over {MAX_CHARACTERS:,}"
    elif isinstance(value, str) and any(not c.isprintable() and c not in "\n\t" for c in value):
        yield f"{place} has characters that cannot be printed"
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        yield f"{place} is a number of {value.bit_length()} bits, but must be under 2^63"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{place} is {value}, but must be a finite number"


def _consistent(record: RunRecord, trials: list[TrialResult]) -> Iterator[str]:
    """Yield a sentence for each contradiction within the record."""
    tasks = list(dict.fromkeys(trial.spec.model.task for trial in trials))
    if len(tasks) > 1:
        yield f"the trials have models of several tasks ({', '.join(tasks)}), but a run has one"
    for number, trial in enumerate(trials):
        place = f"trials[{number}]"
        if trial.status == "ok":
            yield from _epochs(record, trial, place)
            yield from _steps(trial, place)
        if (trial.preparation_s is None) != (trial.preparation_bytes is None):
            yield f"{place} has only one of preparation_s and preparation_bytes"
        for name in ("auc", "loss", "train_loss"):
            values = getattr(trial, name) or ()
            if len(values) > trial.spec.epochs:
                yield f"{place}.{name} has {len(values)} values for {trial.spec.epochs} epochs"


def _epochs(record: RunRecord, trial: TrialResult, place: str) -> Iterator[str]:
    epochs = trial.epochs or ()
    if len(epochs) < trial.spec.epochs or (len(epochs) > trial.spec.epochs and not trial.spec.timed_s):
        yield f"{place} has {len(epochs)} epochs, but its spec asks for {trial.spec.epochs}"
    expected, spare = record.dataset.train_rows, trial.spec.batch_size
    for number, epoch in enumerate(epochs):
        if trial.spec.mode != "replay" and abs(epoch.rows - expected) >= spare:
            yield f"{place}.epochs[{number}] has {epoch.rows:,} rows, but the dataset has {expected:,}"
        if epoch.wall_s <= 0:
            yield f"{place}.epochs[{number}].wall_s is {epoch.wall_s}, but must be greater than 0"
        elif epoch.rows > MAX_ROWS_PER_S * epoch.wall_s:
            yield f"{place}.epochs[{number}] has {epoch.rows:,} rows in {epoch.wall_s:g} s, which is impossible"
        elif epoch.wait_s > epoch.wall_s + TOLERANCE:
            yield f"{place}.epochs[{number}].wait_s is {epoch.wait_s}, over its wall_s of {epoch.wall_s}"
    if trial.rows is not None and trial.rows != sum(epoch.rows for epoch in epochs):
        yield f"{place}.rows is {trial.rows:,}, but its epochs have {sum(epoch.rows for epoch in epochs):,}"


def _steps(trial: TrialResult, place: str) -> Iterator[str]:
    steps = list(accumulate(steps_of(trial)))
    for name in ("step_wait_s", "step_s"):
        values = getattr(trial, name)
        if values is not None and len(values) not in steps:  # a long trial keeps the steps of its first epochs
            yield f"{place}.{name} has {len(values)} values, but its epochs have {steps[-1] if steps else 0} steps"
    if trial.step_wait_s is None:
        yield f"{place}.step_wait_s is missing, though the trial is ok"
