"""A small click log in Criteo's form, as lists of texts, and its preparation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.sources import table_request
from feedrate.bench.datasets.tables.declared import DeclaredColumns, Extras, SplitOptions, Transforms
from feedrate.bench.datasets.tables.prepare import planned, write_tables

NUMBERS = [f"I{i}" for i in range(1, 14)]
IDS = [f"C{i}" for i in range(1, 27)]
COLUMNS = ["label", *NUMBERS, *IDS]
ODD_IDS = ("05e2f3a1", "00000000", "12345678", "1e5", "007", "7", '"quoted', 'a"b', "nan", "null", "true", "-1")
"""Texts that a guess of types, a quote or a number would change."""


def log(rows: int = 60, seed: int = 0) -> list[list[str]]:
    """Return rows of texts: a label, counts with gaps and a -3, and hashes with gaps."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.3).astype(int).astype(str)
    counts = rng.integers(-3, 5000, (rows, 13)).astype(str)
    ids = np.array([f"{value:08x}" for value in range(7, 19)])[rng.integers(0, 12, (rows, 26))]
    ids[:, 0] = np.array(ODD_IDS)[rng.integers(0, len(ODD_IDS), rows)]
    counts[rng.random(counts.shape) < 0.2] = ""
    ids[rng.random(ids.shape) < 0.2] = ""
    return np.column_stack([labels, counts, ids]).tolist()


def tsv(rows: list[list[str]]) -> bytes:
    """Return the rows as Criteo's files have them."""
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def prepare(
    source: str,
    *paths: Path,
    to: Path,
    columns: DeclaredColumns | None = None,
    transforms: Transforms | None = None,
    split: SplitOptions | None = None,
    extras: Extras | None = None,
) -> Dataset:
    """Prepare files as the command does. Without options, the rows are split at random."""
    request = table_request(
        source,
        paths,
        columns or DeclaredColumns(label=""),
        transforms or Transforms(),
        split or SplitOptions(),
        extras or Extras(),
    )
    with planned(request, to) as plan:
        return write_tables(plan, to, PrepareOptions())
