"""Planted faults: what each must be called, and whether it is. Each is followed by a right trial, which it must not disturb."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.suite import run_suite
from feedrate.loaders import conformance, registry
from feedrate.loaders.base import LoaderConfig

Catch = Literal["void", "failed", "flagged", "rule"]
"""How: the trial has no result, or one with a flag, or a rule of the contract is broken (`feedrate check`)."""
HANG_TIMEOUT_S = 20.0
"""Of silence; the trial after the one that hangs must start within it, on a busy machine, too."""
BATCH_SIZE = 512


@dataclass(frozen=True, slots=True)
class PlantedFault:
    name: str
    catch: Catch
    sentence: str
    """A regular expression that the sentence must match: it names the fault."""
    gpu: bool = False


FAULTS = (
    PlantedFault("row_dropped", "void", "3,999 rows, 1 fewer than the 4,000 there are"),
    PlantedFault("row_twice", "void", "4,001 rows, 1 more than the 4,000 there are"),
    PlantedFault("row_replaced", "void", "1 row is missing and 1 row is delivered more than once"),
    PlantedFault("labels_shifted", "void", "the values of the label are the dataset's, but in other rows than theirs"),
    PlantedFault(
        "stale_batch", "void", "batch 2 is batch 1 again; .* rows are missing and .* rows are delivered more than once"
    ),
    PlantedFault("buffer_reused", "void", "changed while the consumer held it: the loader used its buffer again"),
    PlantedFault("offsets_off_by_one", "void", "the values or offsets of genres are not its rows'"),
    PlantedFault("ids_narrowed", "void", r"(movieId|userId) is cut to a narrower type \(its greatest id is 255"),
    PlantedFault("last_batch_missing", "void", "the last batch is missing"),
    PlantedFault("no_shuffle", "flagged", "the rows were not shuffled, though asked to be"),
    PlantedFault("chunk_shuffle", "flagged", r"shuffled only in part: quality 0\.2"),
    PlantedFault("same_order", "flagged", "two epochs began with the same rows in the same order"),
    PlantedFault("ranks_same_rows", "rule", "ranks_disjoint_and_complete: .*come more than once"),
    PlantedFault("ranks_uneven", "rule", r"ranks_even: ranks have \[.*\] rows"),
    PlantedFault("unsynchronised_copy", "void", "was not ready when it was handed over", gpu=True),
    PlantedFault("rows_overcounted", "void", "says that it has 1,048,576 rows, and holds 512"),
    PlantedFault(
        "ends_early", "void", "timed epoch 2: an epoch delivered 2,048 rows, 1,952 fewer than the 4,000 there are"
    ),
    PlantedFault("never_ends", "void", "an epoch does not end"),
    PlantedFault("leaks", "flagged", "host memory grew by .* MB or more in every epoch: a leak"),
    PlantedFault("crashes", "failed", "its process was killed by SIGABRT"),
    PlantedFault("hangs", "failed", f"it said nothing for {HANG_TIMEOUT_S:g} s and was stopped"),
)


@dataclass(frozen=True, slots=True)
class Caught:
    fault: PlantedFault
    seen: str
    """What feedrate said."""
    right: bool
    """As it should be caught, and by the right name."""
    undisturbed: bool
    """The right trial after it was ok and without a flag."""


def run(dataset: Path, device: str) -> Iterator[Caught]:
    """dataset: 4,000 training rows. Every fault that shows on this kind of device; nothing is timed, so on a CPU two at a time."""
    shown = [fault for fault in FAULTS if device != "cpu" or not fault.gpu]
    with ThreadPoolExecutor(max_workers=2 if device == "cpu" else 1) as threads:
        yield from threads.map(lambda fault: _caught(fault, dataset, device), shown)


def _caught(fault: PlantedFault, dataset: Path, device: str) -> Caught:
    return _by_rule(fault, device) if fault.catch == "rule" else _by_trial(fault, dataset, device)


def _by_trial(fault: PlantedFault, dataset: Path, device: str) -> Caught:
    specs = [
        TrialSpec(
            loader=f"planted:fault={name}",
            mode="load",
            repeat=0,
            seed=0,
            batch_size=BATCH_SIZE,
            epochs=5,
            device=device,
        )
        for name in (fault.name, "none")
    ]
    found, after = run_suite(specs, dataset, timeout_s=HANG_TIMEOUT_S)
    seen = _said(found)
    caught = "flagged" if found.status == "ok" and found.flags else found.status
    right = caught == fault.catch and re.search(fault.sentence, seen) is not None
    return Caught(fault, f"{caught}: {seen}", right, after.status == "ok" and not after.flags)


def _said(trial: TrialResult) -> str:
    return "; ".join((trial.detail, *trial.flags)).strip("; ")


def _by_rule(fault: PlantedFault, device: str) -> Caught:
    with tempfile.TemporaryDirectory(prefix="feedrate-") as folder:
        split = conformance.planted_split(Path(folder), rows=2_100)
        choice = registry.choose(f"planted:fault={fault.name}")
        case = conformance.Case(choice, split, LoaderConfig(batch_size=BATCH_SIZE, device=device))
        broken = [result for result in conformance.check(case) if result.outcome == "failed"]
    seen = "; ".join(f"{result.rule}: {result.detail}" for result in broken)
    return Caught(fault, f"rule: {seen}", re.search(fault.sentence, seen) is not None, True)
