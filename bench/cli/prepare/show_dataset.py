"""Prints what `feedrate prepare` has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feedrate.bench.datasets.canonical import Dataset

NAMELESS = "''"
"""How a column without a name is shown."""


def print_dataset(dataset: Dataset) -> None:
    """Print the splits and columns of a canonical folder."""
    from feedrate.bench.cli.terminal import out
    from feedrate.reports.names import plain

    info, schema = dataset.info, dataset.info.schema
    out.print(plain(f"{dataset.folder}: {info.name}"), markup=False)
    for split, part in info.splits.items():
        out.print(f"  {split}: {part.rows:,} rows in {len(part.files)} file(s)")
    for kind, columns in (("single-hot", schema.single_hot), ("multi-hot", schema.multi_hot)):
        if columns:
            cardinalities = ", ".join(f"{column.name or NAMELESS} ({column.cardinality:,})" for column in columns)
            out.print(plain(f"  {kind}: {cardinalities}"), markup=False)
    if schema.continuous:
        out.print(plain(f"  continuous: {', '.join(schema.continuous)}"), markup=False)
    best = f", best reachable AUC {info.best_auc:.4f}" if info.best_auc is not None else ""
    out.print(plain(f"  label: {schema.label}{best}"), markup=False)
