"""Is a record that a stranger sends one of ours, and are its numbers sane? Nothing in it is executed or opened."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from feedrate.bench.results.compressed import MAX_BYTES, read_bytes
from feedrate.bench.results.record import MAX_ROWS_PER_S, SCHEMA_VERSION, TOLERANCE, RunRecord, TrialResult
from feedrate.loaders.errors import FeedrateError

MAX_FAULTS = 50
"""That are named."""
MAX_INTEGER = 2**63 - 1
MAX_CHARACTERS = 10_000
"""Characters of a string."""
SHARES = ("fraction", "expected_low", "best_auc", "auc", "busy", "sm_active", "sm_occupancy", "dram_active")
"""Endings of names whose values are shares of 1."""
SAMPLED = ("quality", "displacement", "diversity")
"""The same of shares that are estimated from samples: they may be a little over 1."""
NOT_NEGATIVE = (
    "_s",
    "_bytes",
    "rows",
    "rows_per_s",
    "_hz",
    "_w",
    "_j",
    "samples",
    "steps",
    "cores",
    "first_epochs",
    "loss",
)


def faults(file: Path) -> list[str]:
    """A sentence for each thing that is wrong; the first ones are such that the others cannot be looked for."""
    try:
        if not file.is_file():
            return ["it is no file, or not there"]
        if file.stat().st_size > MAX_BYTES:
            return [
                f"it has {file.stat().st_size / 1e6:,.0f} MB, over the {MAX_BYTES / 1e6:,.0f} MB that a record may have"
            ]
        content = msgspec.json.decode(read_bytes(file))
    except FeedrateError as error:  # of its compression
        return [str(error)]
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return [f"it is not readable JSON: {error}"]
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        return [f"schema_version is {repr(version)[:40]}, but must be a number from 1 to {SCHEMA_VERSION}"]
    try:
        record = msgspec.convert(content, RunRecord)
    except (msgspec.ValidationError, FeedrateError, OverflowError, RecursionError) as error:
        return [f"it is not a run record: {str(error)[:MAX_CHARACTERS]}"]
    found = list(islice(chain(_values(content, ""), _consistent(record)), MAX_FAULTS))
    return [*found, "and perhaps more"] if len(found) == MAX_FAULTS else found


def _values(value: Any, place: str) -> Iterator[str]:
    """Of every number and string, wherever it stands."""
    if isinstance(value, dict):
        for name, own in value.items():
            if len(name) > MAX_CHARACTERS:
                yield f"{place or 'the record'} has a name of {len(name):,} characters, over {MAX_CHARACTERS:,}"
            yield from _values(own, f"{place}.{name[:40]}" if place else name[:40])
    elif isinstance(value, list):
        for number, own in enumerate(value):
            yield from _values(own, f"{place}[{number}]")
    elif isinstance(value, str) and len(value) > MAX_CHARACTERS:
        yield f"{place} has {len(value):,} characters, over {MAX_CHARACTERS:,}"
    elif isinstance(value, str) and any(not c.isprintable() and c not in "\n\t" for c in value):
        yield f"{place} has characters that cannot be printed"
    elif isinstance(value, float | int) and not isinstance(value, bool):
        yield from _number(value, place)


def _number(value: float, place: str) -> Iterator[str]:
    name = place.rpartition(".")[2].partition("[")[0]
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        yield f"{place} is a number of {value.bit_length()} bits, but must be under 2^63"
    elif not math.isfinite(value):
        yield f"{place} is {value}, but must be a finite number"
    elif (name.endswith(NOT_NEGATIVE) or ".cardinalities." in place) and value < 0:
        yield f"{place} is {value}, but must not be negative"
    elif name.endswith(SHARES) and not -TOLERANCE <= value <= 1 + TOLERANCE:
        yield f"{place} is {value}, but must be a share from 0 to 1"
    elif name.endswith(SAMPLED) and not -0.01 <= value <= 1.5:
        yield f"{place} is {value}, but must be a share of about 0 to 1"


def _consistent(record: RunRecord) -> Iterator[str]:
    for number, trial in enumerate(record.trials):
        place = f"trials[{number}]"
        if trial.status == "ok":
            yield from _epochs(record, trial, place)
            yield from _steps(trial, place)
        for name in ("auc", "loss", "train_loss"):
            values = getattr(trial, name) or ()
            if len(values) > trial.spec.epochs:
                yield f"{place}.{name} has {len(values)} values for {trial.spec.epochs} epochs"


def _epochs(record: RunRecord, trial: TrialResult, place: str) -> Iterator[str]:
    epochs = trial.epochs or ()
    if len(epochs) != trial.spec.epochs:
        yield f"{place} has {len(epochs)} epochs, but its spec asks for {trial.spec.epochs}"
    wanted, spare = record.dataset.train_rows, trial.spec.batch_size
    for number, epoch in enumerate(epochs):
        if trial.spec.mode != "replay" and abs(epoch.rows - wanted) >= spare:
            yield f"{place}.epochs[{number}] has {epoch.rows:,} rows, but the dataset has {wanted:,}"
        if epoch.wall_s <= 0:
            yield f"{place}.epochs[{number}].wall_s is {epoch.wall_s}, but must be over 0"
        elif epoch.rows > MAX_ROWS_PER_S * epoch.wall_s:
            yield f"{place}.epochs[{number}] has {epoch.rows:,} rows in {epoch.wall_s:g} s, which cannot be"
        elif epoch.wait_s > epoch.wall_s + TOLERANCE:
            yield f"{place}.epochs[{number}].wait_s is {epoch.wait_s}, over its wall_s of {epoch.wall_s}"
    if trial.rows is not None and trial.rows != sum(epoch.rows for epoch in epochs):
        yield f"{place}.rows is {trial.rows:,}, but its epochs have {sum(epoch.rows for epoch in epochs):,}"


def _steps(trial: TrialResult, place: str) -> Iterator[str]:
    steps = sum(-(-epoch.rows // trial.spec.batch_size) for epoch in trial.epochs or ())
    for name in ("step_wait_s", "step_s"):
        values = getattr(trial, name)
        if values is not None and len(values) != steps:
            yield f"{place}.{name} has {len(values)} values, but its epochs have {steps} steps"
    if trial.step_wait_s is None:
        yield f"{place}.step_wait_s is missing, though the trial is ok"
