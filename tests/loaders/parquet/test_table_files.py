"""Several Parquet files as one table: one type for each column, and a sentence for what differs."""

from __future__ import annotations

import functools
import operator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet import table_parts
from feedrate.loaders.parquet.discovery import find_files
from feedrate.loaders.parquet.table_files import Tables, open_tables


def opened(folder: Path, **files: pa.Table) -> Tables:
    for name, table in files.items():
        folder.mkdir(exist_ok=True)
        pq.write_table(table, folder / f"{name}.parquet")
    return open_tables(find_files([folder]))


def x(values: Any, kind: pa.DataType | None = None) -> pa.Table:
    return pa.table({"x": pa.array(values, kind)})


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (x([1], pa.int8()), x([1], pa.uint32()), pa.int64()),
        (x([1.5], pa.float32()), x([1.5], pa.float64()), pa.float64()),
        (x([None]), x(["a"]), pa.large_string()),
        (x(["a"], pa.dictionary(pa.int8(), pa.string())), x(["a"], pa.string_view()), pa.large_string()),
        (x([b"a"]), x(["a"]), pa.large_binary()),
        (x([1]), x([1.0, float("nan")]), pa.int64()),
        (x([[1]]), x([[2]], pa.large_list(pa.int16())), pa.large_list(pa.int64())),
        (x([[1]]), x([None]), pa.large_list(pa.int64())),
    ],
)
def test_types_that_hold_the_same_values_are_one(
    first: pa.Table, second: pa.Table, kind: pa.DataType, tmp_path: Path
) -> None:
    for i, pair in enumerate(((first, second), (second, first))):
        tables = opened(tmp_path / str(i), a=pair[0], b=pair[1])
        assert tables.columns["x"].kind == kind
        assert not tables.faults


@pytest.mark.parametrize(
    ("first", "second"),
    [(x([1]), x(["a"])), (x([1]), x([True])), (x([1]), x([[1]])), (x(["a"]), x([1.5])), (x([1]), x([{"a": 1}]))],
)
def test_types_that_differ_are_a_fault_with_both_files(first: pa.Table, second: pa.Table, tmp_path: Path) -> None:
    tables = opened(tmp_path / "in", a=first, b=second)
    assert tables.faults
    sentence = " ".join(tables.faults.values())
    assert "a.parquet" in sentence
    assert "b.parquet" in sentence
    assert "make the files alike" in sentence


def test_a_file_without_rows_has_no_vote(tmp_path: Path) -> None:
    tables = opened(tmp_path / "in", a=x([1, 2]), b=x(["a"]).slice(0, 0))
    assert (tables.columns["x"].kind, tables.faults, tables.rows) == (pa.int64(), {}, 2)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (("1", "2"), pa.int64()),
        (("007", "7"), pa.large_string()),
        (("1", "x"), pa.large_string()),
        (("0.5", "1.5"), pa.float64()),
        (("2024-01-01", "2024-01-02"), pa.date32()),
        (("true", "false"), pa.bool_()),
        (("2024-13-01", "2024-01-02"), pa.large_string()),
        (("1", "__HIVE_DEFAULT_PARTITION__"), pa.int64()),
        (("99999999999999999999", "1"), pa.large_string()),
    ],
)
def test_columns_in_the_names_of_folders_are_typed(values: tuple[str, ...], kind: pa.DataType, tmp_path: Path) -> None:
    for value in values:
        (tmp_path / f"k={value}").mkdir()
        pq.write_table(x([1, 2]), tmp_path / f"k={value}/a.parquet")
    tables = open_tables(find_files([tmp_path]))
    assert tables.columns["k"].kind == kind
    assert tables.columns["k"].in_folders
    read = pa.concat_tables(chunk for _, chunk in tables.chunks(["k", "x"]))
    assert read["k"].type == kind
    assert len(set(read["k"].to_pylist())) == len(values)
    assert [chunk.num_rows for _, chunk in tables.chunks(["k"])] == [2] * len(values)


def test_a_folder_without_the_key_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "k=1").mkdir()
    pq.write_table(x([1]), tmp_path / "k=1/a.parquet")
    pq.write_table(x([1]), tmp_path / "b.parquet")
    [sentence] = open_tables(find_files([tmp_path])).faults.values()
    assert "column 'k' stands in the names of some folders, but not for" in sentence
    assert "move the file into a folder called k=" in sentence


def test_a_column_in_files_and_folders_is_the_files_and_said(tmp_path: Path) -> None:
    (tmp_path / "x=5").mkdir()
    pq.write_table(x([1]), tmp_path / "x=5/a.parquet")
    tables = open_tables(find_files([tmp_path]))
    assert [chunk["x"].to_pylist() for _, chunk in tables.chunks(["x"])] == [[1]]
    assert any("'x'" in note and "folders" in note for note in tables.notes)


def test_chunks_are_cut_and_keep_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_parts, "CHUNK_ROWS", 7)
    tables = opened(tmp_path / "in", a=x(np.arange(20)), b=x(np.arange(20, 31)))
    chunks = [(file.data.path.name, chunk["x"].to_pylist()) for file, chunk in tables.chunks(["x"])]
    assert functools.reduce(operator.iadd, (values for _, values in chunks), []) == list(range(31))
    assert max(len(values) for _, values in chunks) == 7
    assert {name for name, _ in chunks} == {"a.parquet", "b.parquet"}


def test_a_struct_beside_a_column_named_like_its_field_is_ambiguous(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array([{"b": 1}]), "a.b": [2]})
    tables = opened(tmp_path / "in", t=table)
    assert "two columns called 'a.b'" in tables.faults["a.b"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty: 0 bytes"),
        (b"ab", "does not begin with PAR1"),
        (b"PAR1", "is incomplete, damaged or not a Parquet file"),
        (b"PAR1" + bytes(50), "its end is missing"),
        (b"PAR1" + bytes(50) + b"PAR1", "is incomplete, damaged or not a Parquet file"),
        (b"PAR1" + bytes(50) + b"PARE", "is encrypted: write it without encryption"),
        (b"ARROW1\0\0", "is an Arrow IPC (Feather) file"),
        (b"\x1f\x8b" + bytes(9), "is compressed as a whole by gzip: unpack it"),
        (b"version https://git-lfs.github.com/spec/v1", "is a Git LFS pointer"),
        (b"ORC" + bytes(9), "is an ORC file"),
    ],
)
def test_what_is_no_parquet_is_named(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(FeedrateError) as caught:
        open_tables(find_files([tmp_path]))
    assert str(caught.value).startswith(f"{tmp_path / 'a.parquet'} ")
    assert sentence in str(caught.value)
