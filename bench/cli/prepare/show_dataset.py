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
    from feedrate.reports.formats.terminal.paragraphs import print_paragraph

    info, schema = dataset.info, dataset.info.schema
    print_paragraph(out, f"{dataset.folder}: {info.name}")
    for split, part in info.splits.items():
        files = f"{len(part.files)} file{'s' * (len(part.files) != 1)}"
        print_paragraph(out, f"  {split}: {part.rows:,} rows in {files}")
    for kind, columns in (("single-hot", schema.single_hot), ("multi-hot", schema.multi_hot)):
        if columns:
            cardinalities = ", ".join(f"{column.name or NAMELESS} ({column.cardinality:,})" for column in columns)
            print_paragraph(out, f"  {kind}: {cardinalities}")
    if schema.continuous:
        print_paragraph(out, f"  continuous: {', '.join(schema.continuous)}")
    best = f", best reachable AUC {info.best_auc:.4f}" if info.best_auc is not None else ""
    print_paragraph(out, f"  label: {schema.label}{best}")
