"""Planted faults. Each must be caught under its own name.

After each faulty trial that could disturb the next one, a correct one runs. Loaders that are right but unusual must pass.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from feedrate.bench.results.flags import CORE_WAIT
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.check import check_loader
from feedrate.bench.run.suite import run_suite
from feedrate.bench.selftest.expected_orders import ORDER_FAULTS
from feedrate.bench.selftest.expected_processes import PROCESS_FAULTS
from feedrate.bench.selftest.expected_timed import TIMED_FAULTS
from feedrate.bench.selftest.planted_fault import PlantedFault
from feedrate.loaders.base import LoaderConfig
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder

HANG_TIMEOUT_S = 20.0
"""Silence after which a trial is stopped. Long enough for the next trial to start, even on a busy machine."""
BATCH_SIZE = 512

UNUSUAL = (
    "int64_ids", "int64_bags", "strided", "epoch_views", "as_list", "thread_ahead", "buffers_recycled", "slow_start",
    "other_mappings", "bags_as_lists", "one_allocation",
)  # fmt: skip
"""Loaders that are right but unusual. See loaders/testing/planted_unusual.py."""

FAULTS = (
    PlantedFault("row_dropped", "void", "3,999 rows, 1 fewer than the 4,000 in the split"),
    PlantedFault("row_twice", "void", "4,001 rows, 1 more than the 4,000 in the split"),
    PlantedFault("row_replaced", "void", "1 row is missing and 1 row is delivered more than once"),
    PlantedFault("labels_shifted", "void", "the values of the label match the dataset but belong to different rows"),
    PlantedFault(
        "stale_batch", "void", "batch 3 repeats batch 2; .* rows are missing and .* rows are delivered more than once"
    ),
    PlantedFault("buffer_reused", "void", "changed while the consumer held it: the loader reused its buffer"),
    PlantedFault("offsets_off_by_one", "void", "the values or offsets of genres are wrong"),
    PlantedFault("ids_narrowed", "void", r"(movieId|userId) was cast to a narrower type \(its largest id is 25\d"),
    PlantedFault("last_batch_missing", "void", "the last batch is missing"),
    PlantedFault("no_shuffle", "flagged", "the rows were not shuffled, although they should be"),
    PlantedFault("chunk_shuffle", "flagged", r"only partly shuffled: quality 0\.2"),
    PlantedFault("same_order", "flagged", "timed epoch 2 had the batches of timed epoch 1 in the same order"),
    PlantedFault("ranks_same_rows", "rule", "ranks_disjoint_and_complete: .*are delivered more than once"),
    PlantedFault("ranks_uneven", "rule", r"ranks_even: ranks have \[.*\] rows"),
    PlantedFault("unsynchronised_copy", "void", "was not ready when it was handed over", gpu=True),
    PlantedFault("rows_overcounted", "void", "it yields an Overcounted, a subclass of Batch"),
    PlantedFault(
        "ends_early", "void", "timed epoch 2: an epoch delivered 2,048 rows, 1,952 fewer than the 4,000 in the split"
    ),
    PlantedFault("never_ends", "void", "an epoch does not end"),
    PlantedFault("leaks", "flagged", "host memory grew by .* MB or more in every epoch: a leak"),
    PlantedFault("crashes", "failed", "its process was killed by SIGABRT", disturbs=True),
    PlantedFault("hangs", "failed", f"it reported nothing for {HANG_TIMEOUT_S:g} s and was stopped", disturbs=True),
    *ORDER_FAULTS,
    *TIMED_FAULTS,
    *PROCESS_FAULTS,
)


@dataclass(frozen=True, slots=True)
class Caught:
    """What feedrate reported about one planted fault."""

    fault: PlantedFault
    message: str
    """What feedrate reported, after the way in which it caught the fault."""
    as_expected: bool
    """Whether the fault was caught in the expected way and under its name."""
    disturbance: str = ""
    """Complaints about the correct trial after it. Empty if there are none, or if no such trial ran."""


def run(dataset: Path, device: str) -> Iterator[Caught]:
    """Plant every fault that shows on this kind of device.

    dataset: a prepared folder with 4,000 training rows.
    Nothing is timed, so several faults run at the same time.
    """
    shown = [fault for fault in FAULTS if not (fault.gpu if device == "cpu" else fault.cpu)]
    with ThreadPoolExecutor(max_workers=at_once(device)) as threads:
        yield from threads.map(lambda fault: _plant(fault, dataset, device), shown)


def at_once(device: str) -> int:
    """Return how many faults are planted at the same time: as many as the cores, or a share of the GPU's memory, allow."""
    return min(len(os.sched_getaffinity(0)), 2 if device == "cpu" else 6)


def _plant(fault: PlantedFault, dataset: Path, device: str) -> Caught:
    return _check_rules(fault, device) if fault.catch == "rule" else _run_trials(fault, dataset, device)


def _run_trials(fault: PlantedFault, dataset: Path, device: str) -> Caught:
    with TemporaryFolder() as folder:
        data = shutil.copytree(dataset, folder.path / "data") if fault.own_data else dataset
        faulty = _trial(fault.name, data, device, fault.settings)
    disturbance = _next_complaints(dataset, device) if fault.disturbs else ""
    message = "; ".join((faulty.detail, *faulty.flags)).strip("; ")
    caught = "flagged" if faulty.status == "ok" and faulty.flags else faulty.status
    as_expected = caught == fault.catch and re.search(fault.pattern, message) is not None
    return Caught(fault, f"{caught}: {message}", as_expected, disturbance)


def _next_complaints(dataset: Path, device: str) -> str:
    """Run a correct trial. Complaints count if a second one has some, too: other programs can spoil a single trial."""
    first = _complaints(_trial("none", dataset, device))
    return first and _complaints(_trial("none", dataset, device))


def run_unusual(dataset: Path, device: str) -> Iterator[tuple[str, str]]:
    """Run every loader that is right but unusual. Yield its name and the complaints about it, an empty string for none."""
    with ThreadPoolExecutor(max_workers=at_once(device)) as threads:
        yield from threads.map(lambda name: (name, _complaints(_trial(name, dataset, device))), UNUSUAL)


def _trial(fault: str, dataset: Path, device: str, settings: Mapping[str, Any] | None = None) -> TrialResult:
    spec = TrialSpec(
        loader=f"planted:fault={fault}", mode="load", repeat=0, seed=0, batch_size=BATCH_SIZE, epochs=5, device=device
    )
    return next(run_suite([replace(spec, **(settings or {}))], dataset, timeout_s=HANG_TIMEOUT_S))


def _complaints(trial: TrialResult) -> str:
    """Join the trial's status if it is not ok, and its flags. A machine that is busy with other work is no complaint."""
    flags = [flag for flag in trial.flags if not flag.startswith(CORE_WAIT)]
    return "; ".join([*([] if trial.status == "ok" else [f"{trial.status}: {trial.detail}"]), *flags])


def _check_rules(fault: PlantedFault, device: str) -> Caught:
    config = LoaderConfig(batch_size=BATCH_SIZE, device=device)
    results = check_loader(f"planted:fault={fault.name}", config, rows=2_100)
    message = "; ".join(f"{result.rule}: {result.detail}" for result in results if result.outcome == "failed")
    return Caught(fault, f"rule: {message}", re.search(fault.pattern, message) is not None)
