"""Row groups as arrays and staged tensors equal the columns that they were read from."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from feedrate.loaders.base import Categorical, Schema, Split
from feedrate.loaders.parquet.columns import columns_of_table, read_columns
from feedrate.loaders.parquet.decode import read_groups, row_group_arrays, staged


def test_the_size_of_a_row_group_is_that_of_its_tensors(planted: Split) -> None:
    columns = read_columns(planted)
    nbytes = sum(tensor.nbytes for tensor in columns.slice(0, columns.rows).tensors())
    # Parquet stores an entry for an empty bag, too
    assert sum(group.nbytes for group in read_groups(planted)) == pytest.approx(nbytes, rel=0.05)


def test_staged_row_groups_equal_their_columns(planted: Split) -> None:
    for group in read_groups(planted):
        table = pq.ParquetFile(group.file).read_row_group(group.number, columns=list(planted.schema.columns))
        expected, part = columns_of_table(table, planted.schema), staged(table, planted.schema, pin=False)
        tensors = part.columns.slice(part.begin, part.end).tensors()
        assert all(map(torch.equal, tensors, expected.slice(0, expected.rows).tensors()))
        assert all(tensor.element_size() == 4 for tensor in tensors)


def test_a_row_group_of_several_chunks_is_read_completely() -> None:
    schema = Schema(single_hot=(Categorical(name="u", cardinality=9),), label="y")
    table = pa.table({"u": pa.chunked_array([[1, 2], [3]]), "y": pa.chunked_array([[1.0], [0.0, 1.0]])})
    (ids, _), (label, _) = row_group_arrays(table, schema)
    assert (ids.tolist(), label.tolist()) == ([1, 2, 3], [1.0, 0.0, 1.0])
