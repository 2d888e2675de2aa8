"""Every rule of the contract, run on one loader: what `feedrate check` does."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from feedrate.bench.datasets.canonical import read_dataset
from feedrate.loaders import conformance, registry
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.conformance import RuleResult
from feedrate.loaders.errors import FeedrateError

MIN_BATCHES = 4
"""Batches that the rules need in an epoch."""


def check_loader(loader: str, config: LoaderConfig, *, data: Path | None, rows: int) -> Iterator[RuleResult]:
    """Run every rule and yield each result. Call it in the loader's own environment.

    data: a prepared dataset whose training rows are used instead of `rows` planted ones. Raises FeedrateError for a loader
    that replays batches, and for data with too few rows.
    """
    choice = registry.choose(loader)
    if choice.adapter.replays:
        raise FeedrateError(f"{loader} replays a few batches and loads no dataset: there is nothing to check")
    split = _training_split(data, rows, config.batch_size)
    with tempfile.TemporaryDirectory(prefix="feedrate-") as folder:
        if split is None:
            split = conformance.planted_split(Path(folder), rows=rows)
        else:
            split = conformance.numbered_split(split, Path(folder))
        yield from conformance.check(conformance.Case(choice, split, config))


def _training_split(data: Path | None, rows: int, batch_size: int) -> Split | None:
    """The dataset's training rows; None if rows are to be planted. Raises FeedrateError for too few rows."""
    split = read_dataset(data).split("train") if data else None
    rows = split.rows if split else rows
    if rows < MIN_BATCHES * batch_size:
        raise FeedrateError(
            f"{data or '--rows'} has {rows} rows, but the rules need at least {MIN_BATCHES} batches of {batch_size}: "
            f"{MIN_BATCHES * batch_size}"
        )
    return split
