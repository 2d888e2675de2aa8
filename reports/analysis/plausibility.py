"""Refuses records with numbers that no measurement can yield. Records may come from strangers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from feedrate.bench.results.bounds import MAX_ROWS_PER_S, TOLERANCE
from feedrate.bench.results.record import RunRecord, TrialResult
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.metrics import METRICS

MAX_INTEGER = 1e18
"""Upper limit of any measurement: the bytes of an exabyte."""
MEASURED = tuple(metric for metric in METRICS if not re.fullmatch(r"wait_(p\d+|max)_s", metric.name))
"""Metrics to check. Percentiles of waits are left out, because each would sort all waits. The extremes bound them."""


def refuse_implausible(path: Path, record: RunRecord) -> None:
    """Raise FeedrateError if a record holds an impossible number.

    Results derived from such a number are not finite and cannot be drawn.
    """
    for number, trial in enumerate(record.trials):
        for epoch in trial.epochs or ():
            if not 0 < epoch.rows <= MAX_ROWS_PER_S * epoch.wall_s:
                raise FeedrateError(
                    f"{path}: trials[{number}] has an epoch of {epoch.rows:,} rows in {epoch.wall_s:g} s, "
                    "which is impossible: run `feedrate validate` to list all errors"
                )
            if epoch.wait_s > epoch.wall_s + TOLERANCE:
                raise FeedrateError(
                    f"{path}: trials[{number}] waited {epoch.wait_s:g} of {epoch.wall_s:g} s, which is impossible: "
                    "run `feedrate validate` to list all errors"
                )
        for name, value in _measurements(trial):
            if value is not None and not abs(value) < MAX_INTEGER:
                raise FeedrateError(
                    f"{path}: {name} of trials[{number}] is {value:g}, which is impossible: "
                    "run `feedrate validate` to list all errors"
                )


def _measurements(trial: TrialResult) -> Iterator[tuple[str, float | None]]:
    yield from ((metric.name, metric.of(trial)) for metric in MEASURED)
    if trial.step_wait_s:
        yield from (("step_wait_s", value) for value in (min(trial.step_wait_s), max(trial.step_wait_s)))
