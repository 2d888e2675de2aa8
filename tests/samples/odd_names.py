"""A table whose columns have odd names: that of the label, of a bag's parts, or of a word of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from feedrate.loaders.base import Batch, Categorical, Schema, Split

ROWS, GROUP_ROWS = 2_000, 100
IDS = ("label", "rows", "0", "", "user", "user.id", "row", "tags (values)", "at 0")
BAGS = ("tags", "#tags", "ids", "clicked")
"""The second half has bags that are too long to lie within a packed row."""
DENSE = ("the label", "offsets", "#the label", "a.b", "a·b")


def odd_table(label: str) -> tuple[pa.Table, Batch]:
    """Return a table whose columns all differ, and the batch that holds all of its rows."""
    rng = np.random.default_rng(0)
    ids = {name: rng.integers(0, 10 * (i + 2), ROWS, dtype=np.int32) for i, name in enumerate(IDS)}
    dense = {name: rng.standard_normal(ROWS).astype(np.float32) for name in DENSE}
    labels = rng.integers(0, 2, ROWS).astype(np.float32)
    bags = {}
    for i, name in enumerate(BAGS):
        offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 4 if i < len(BAGS) // 2 else 40, ROWS))])
        bags[name] = rng.integers(0, 200 + i, offsets[-1], dtype=np.int32), offsets.astype(np.int32)
    lists = {name: pa.ListArray.from_arrays(offsets, values) for name, (values, offsets) in bags.items()}
    batch = Batch(
        {name: torch.from_numpy(column) for name, column in ids.items()},
        {name: (torch.from_numpy(values), torch.from_numpy(offsets)) for name, (values, offsets) in bags.items()},
        {name: torch.from_numpy(column) for name, column in dense.items()},
        torch.from_numpy(labels),
    )
    return pa.table({**ids, **lists, **dense, label: labels}), batch


def odd_schema(label: str) -> Schema:
    """Return the schema of the table."""
    return Schema(
        single_hot=tuple(Categorical(name=name, cardinality=10 * (i + 2)) for i, name in enumerate(IDS)),
        multi_hot=tuple(Categorical(name=name, cardinality=204) for name in BAGS),
        continuous=DENSE,
        label=label,
    )


def odd_split(folder: Path, label: str) -> tuple[Split, Batch]:
    """Write the table to a file of several row groups. Return its split and all of its rows."""
    table, batch = odd_table(label)
    pq.write_table(table, folder / "a.parquet", row_group_size=GROUP_ROWS)
    return Split(files=(folder / "a.parquet",), rows=ROWS, schema=odd_schema(label)), batch
