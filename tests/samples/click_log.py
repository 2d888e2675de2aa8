"""Small tables as users bring them, and short ways to prepare them and to read what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.tables.declared import DeclaredColumns, SplitOptions, Transforms
from feedrate.bench.datasets.tables.prepare import planned, write_tables
from feedrate.bench.datasets.tables.request import TableRequest
from feedrate.loaders.errors import Faults, FeedrateError

ROWS = 400
CITIES = ("Roma", "Oslo", "Lima", "Köln")
BASE = {"user": 30, "item": 50, "tags": 9}
"""The cardinalities of a click log."""
MAX_SENTENCE = 300


def click_log(rows: int = ROWS, seed: int = 0, **changes: Any) -> pa.Table:
    """Two ids, a bag, a number and the label `clicked`. `changes` replace or add columns, None removes one."""
    rng = np.random.default_rng(seed)
    columns = {
        "user": pa.array(rng.integers(0, 30, rows)),
        "item": pa.array(rng.integers(0, 50, rows)),
        "tags": pa.array([rng.integers(0, 9, n).tolist() for n in rng.integers(0, 5, rows)], pa.list_(pa.int64())),
        "price": pa.array(rng.random(rows)),
        "clicked": pa.array(rng.integers(0, 2, rows)),
    }
    return pa.table({name: column for name, column in {**columns, **changes}.items() if column is not None})


def column(name: str, rows: int = ROWS, seed: int = 0) -> pa.Array:
    """One column of a click log."""
    return click_log(rows, seed)[name].combine_chunks()


def cities(seed: int = 1, rows: int = ROWS) -> list[str]:
    """Names of cities, drawn."""
    return [CITIES[i] for i in np.random.default_rng(seed).integers(0, len(CITIES), rows)]


def numbered(*values: Any, kind: pa.DataType | None = None, name: str = "x") -> pa.Table:
    """A table of these values, repeated to 40 rows, a continuous column `row` with the row's number, and a label."""
    rows = 40
    repeated = [values[i % len(values)] for i in range(rows)]
    return pa.table(
        {name: pa.array(repeated, kind), "row": np.arange(rows, dtype=np.float64), "clicked": np.arange(rows) % 2}
    )


def write(file: Path, table: pa.Table, **options: Any) -> Path:
    """Write a file, with its folder, and return its path."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, **options)
    return file


def request(*paths: Path, **words: Any) -> TableRequest:
    """A request for paths. `words` are the fields of the columns, of the transforms, of the split and of the request."""
    parts: dict[str, dict[str, Any]] = {"columns": {}, "transforms": {}, "split": {}, "request": {}}
    for name, value in words.items():
        if name in Transforms.__dataclass_fields__:
            parts["transforms"][name] = value
        elif name in ("kind", "valid_fraction", "time_column", "group_by"):
            parts["split"][name] = value
        else:
            parts["columns" if name in DeclaredColumns.__dataclass_fields__ else "request"][name] = value
    like = "like" in parts["request"]
    columns = None if like else DeclaredColumns(**{"label": "clicked", **parts["columns"]})
    return TableRequest(
        paths=paths,
        columns=columns,
        transforms=Transforms(**parts["transforms"]),
        split=SplitOptions(**parts["split"]),
        **parts["request"],
    )


def prepare(source: Path | TableRequest, out: Path, *, options: PrepareOptions | None = None, **words: Any) -> Dataset:
    """Plan and write a dataset."""
    wanted = source if isinstance(source, TableRequest) else request(source, **words)
    with planned(wanted, out, options or PrepareOptions()) as plan:
        return write_tables(plan, out, options or PrepareOptions())


def refused(source: Path | TableRequest, out: Path, **words: Any) -> list[str]:
    """Return the sentences with which an input is refused. Each is short, and nothing is written."""
    with pytest.raises(FeedrateError) as caught:
        prepare(source, out, **words)
    sentences = list(caught.value.sentences) if isinstance(caught.value, Faults) else [str(caught.value)]
    where = str(out.parent)
    for sentence in sentences:
        assert len(sentence.replace(where, "")) <= MAX_SENTENCE, sentence
        assert "\n" not in sentence
    assert not out.exists()
    assert not list(out.parent.glob(f".{out.name}.*"))
    return sentences


def cardinalities(dataset: Dataset) -> dict[str, int]:
    """The number of ids of each categorical column."""
    schema = dataset.info.schema
    return {column.name: column.cardinality for column in (*schema.single_hot, *schema.multi_hot)}


def rows_of(dataset: Dataset, *, by: str = "") -> pa.Table:
    """All rows that were written, of train and then of valid, or sorted by a column."""
    tables = [pq.read_table(file) for name in ("train", "valid") for file in dataset.split(name).files]
    table = pa.concat_tables(tables)
    return table.sort_by(by) if by else table


def said_of(dataset: Dataset, subject: str) -> list[str]:
    """What dataset.json says of a column, or of the files or the split."""
    return [decision.what for decision in dataset.info.decisions if decision.subject == subject]
