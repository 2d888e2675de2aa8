"""Files for the rules of conformance: with a column that numbers the rows, several row groups, empty and very long bags."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feedrate.loaders.base import Categorical, Schema, Split

ROW = "row"
"""Name of the single-hot column that numbers the rows, the first of them. With a suffix if the dataset has such a column."""


def row_column(schema: Schema) -> str:
    """Return the name of the column that numbers the rows: the first single-hot one."""
    return schema.single_hot[0].name


def planted_split(folder: Path, *, rows: int = 10_007, seed: int = 0) -> Split:
    """Write a split with a row-number column to `folder`, as two files of several row groups, and describe it."""
    rng = np.random.default_rng(seed)
    lengths = rng.poisson(2.7, rows)
    lengths[: rows // 10] = 0
    lengths[rows // 2] = 1000
    rng.shuffle(lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    table = pa.table(
        {
            ROW: np.arange(rows, dtype=np.int32),
            "user": rng.integers(0, 500, rows, dtype=np.int32),
            "genres": pa.ListArray.from_arrays(offsets, rng.integers(0, 21, offsets[-1], dtype=np.int32)),
            "tags": pa.ListArray.from_arrays(
                np.arange(rows + 1, dtype=np.int32), rng.integers(0, 9, rows, dtype=np.int32)
            ),
            "age": rng.standard_normal(rows).astype(np.float32),
            "label": rng.integers(0, 2, rows).astype(np.float32),
        }
    )
    files = []
    for number, part in enumerate((table.slice(0, rows // 3), table.slice(rows // 3))):
        files.append(folder / f"part-{number}.parquet")
        pq.write_table(part, files[-1], row_group_size=-(-rows // 7))
    schema = Schema(
        single_hot=(Categorical(name=ROW, cardinality=rows), Categorical(name="user", cardinality=500)),
        multi_hot=(Categorical(name="genres", cardinality=21), Categorical(name="tags", cardinality=9)),
        continuous=("age",),
        label="label",
    )
    return Split(files=tuple(files), rows=rows, schema=schema)


def numbered_split(split: Split, folder: Path) -> Split:
    """Copy the files of `split` to `folder`, with the same row groups and a new first column that numbers the rows."""
    files, begin, name = [], 0, ROW
    while name in split.schema.columns:
        name += "_"
    for number, source in enumerate(split.files):
        files.append(folder / f"part-{number}.parquet")
        with pq.ParquetFile(source) as parquet:
            schema = parquet.schema_arrow.insert(0, pa.field(name, pa.int32(), nullable=False))
            with pq.ParquetWriter(files[-1], schema) as writer:
                for group in range(parquet.num_row_groups):
                    table = parquet.read_row_group(group)
                    rows = pa.array(np.arange(begin, begin + len(table), dtype=np.int32))
                    writer.write_table(
                        pa.table([rows, *table.columns], schema=schema), row_group_size=max(1, len(table))
                    )
                    begin += len(table)
    numbered = (Categorical(name=name, cardinality=split.rows), *split.schema.single_hot)
    return Split(files=tuple(files), rows=split.rows, schema=replace(split.schema, single_hot=numbered))
