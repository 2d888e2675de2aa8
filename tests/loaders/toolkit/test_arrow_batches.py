"""Arrow data become batches with exact types, from one chunk or from many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from feedrate.loaders.base import Categorical, Schema
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.form import require_columns, require_tensors
from feedrate.loaders.toolkit import batch_of_arrow

SCHEMA = Schema(
    single_hot=(Categorical(name="user", cardinality=9),),
    multi_hot=(Categorical(name="tags", cardinality=9),),
    continuous=("age",),
    label="y",
)
TABLE = pa.table(
    {
        "other": ["a", "b", "c", "d"],
        "y": pa.array([0, 1, 1, 0], pa.float32()),
        "user": pa.array([5, 6, 7, 8], pa.int32()),
        "tags": pa.array([[1, 2], [], [3], [4, 5, 6]], pa.list_(pa.int32())),
        "age": pa.array([0.5, 1.5, 2.5, 3.5], pa.float32()),
    }
)


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        TABLE.to_batches()[0],
        pa.concat_tables([TABLE.slice(row, 1) for row in range(4)]),
        pa.concat_tables([TABLE, TABLE]).slice(4),
        pa.concat_tables([TABLE, TABLE, TABLE]).slice(3, 5).slice(1),
        TABLE.set_column(3, "tags", pa.chunked_array([TABLE["tags"].chunk(0)[:1], TABLE["tags"].chunk(0)[1:]])),
        TABLE.set_column(3, "tags", TABLE["tags"].cast(pa.large_list(pa.int32()))),
        TABLE.set_column(3, "tags", TABLE["tags"].cast(pa.list_(pa.int64()))),
        TABLE.set_column(2, "user", TABLE["user"].cast(pa.int64())),
        TABLE.set_column(1, "y", TABLE["y"].cast(pa.bool_())),
        TABLE.set_column(4, "age", TABLE["age"].cast(pa.float64())),
    ],
    ids=["table", "record batch", "a chunk a row", "slice", "slice of chunks", "chunks of one column", "large lists", "wide lists", "int64", "bool", "float64"],
)  # fmt: skip
def test_all_columns_arrive_in_the_types_of_the_contract(data: pa.Table | pa.RecordBatch) -> None:
    batch = batch_of_arrow(data, SCHEMA)
    require_columns(batch, SCHEMA)
    require_tensors(batch)
    assert batch.ids["user"].tolist() == [5, 6, 7, 8]
    assert batch.ids["user"].dtype == torch.int32
    assert [tensor.tolist() for tensor in batch.bags["tags"]] == [[1, 2, 3, 4, 5, 6], [0, 2, 2, 3, 6]]
    assert batch.dense["age"].tolist() == [0.5, 1.5, 2.5, 3.5]
    assert batch.label.tolist() == [0, 1, 1, 0]


def test_a_slice_has_offsets_from_zero() -> None:
    values, offsets = batch_of_arrow(TABLE.slice(2), SCHEMA).bags["tags"]
    assert (values.tolist(), offsets.tolist()) == ([3, 4, 5, 6], [0, 1, 4])


@pytest.mark.parametrize("data", [TABLE.slice(0, 0), TABLE.schema.empty_table(), TABLE.slice(1, 1)])
def test_no_rows_and_empty_bags_are_fine(data: pa.Table) -> None:
    batch = batch_of_arrow(data, SCHEMA)
    assert batch.rows == len(data)
    assert [tensor.tolist() for tensor in batch.bags["tags"]] == [[], [0] * (len(data) + 1)]


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("user", pa.array([1, None, 2, 3], pa.int32()), "'user' contains 1 null"),
        ("user", pa.array([1, 2, 3, 2**31]), "'user' contains the id 2147483648"),
        ("tags", pa.array([[1], None, [2], []], pa.list_(pa.int32())), "'tags' contains 1 null"),
        ("tags", pa.array([[1], [None], [2], []], pa.list_(pa.int32())), "'tags' contains 1 null"),
        ("age", pa.array([1e300, 0, 0, 0]), "'age' contains 1e"),
    ],
)
def test_values_that_a_batch_does_not_hold_are_refused_by_name(name: str, column: pa.Array, message: str) -> None:
    table = TABLE.set_column(TABLE.column_names.index(name), name, column)
    with pytest.raises(FeedrateError, match=message):
        batch_of_arrow(table, SCHEMA)


def test_memory_that_must_not_be_written_is_copied(tmp_path: Path) -> None:
    with pa.OSFile(str(tmp_path / "rows.arrow"), "wb") as file, pa.ipc.new_file(file, TABLE.schema) as writer:
        writer.write_table(TABLE)
    with pa.memory_map(str(tmp_path / "rows.arrow")) as mapped:
        table = pa.ipc.open_file(mapped).read_all()
        for tensor in batch_of_arrow(table, SCHEMA).tensors():
            tensor.zero_()  # in mapped memory this ends the process
        assert table["user"].to_pylist() == [5, 6, 7, 8]


def test_writable_memory_is_shared() -> None:
    taken = TABLE.take(pa.array([3, 1]))
    address = taken["user"].chunk(0).buffers()[1].address
    assert batch_of_arrow(taken, SCHEMA).ids["user"].data_ptr() == address


def test_fresh_memory_is_shared_even_if_it_is_marked_read_only() -> None:
    ids = pa.Array.from_buffers(pa.int32(), 3, [None, pa.py_buffer(np.arange(4, dtype=np.int32).tobytes())], offset=1)
    table = TABLE.slice(0, 3).set_column(2, "user", ids)
    address = ids.buffers()[1].address
    assert batch_of_arrow(table, SCHEMA).ids["user"].data_ptr() != address + 4
    shared = batch_of_arrow(table, SCHEMA, fresh=True).ids["user"]
    assert (shared.data_ptr(), shared.tolist()) == (address + 4, [1, 2, 3])


def test_a_column_that_is_a_field_of_a_struct_is_found() -> None:
    struct = pa.StructArray.from_arrays([np.arange(2, dtype=np.int32)], ["user"])
    table = pa.table({"by": struct, "y": pa.array([0, 1], pa.float32())})
    schema = Schema(single_hot=(Categorical(name="by.user", cardinality=2),), label="y")
    assert batch_of_arrow(table, schema).ids["by.user"].tolist() == [0, 1]
