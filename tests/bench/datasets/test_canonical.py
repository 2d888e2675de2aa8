from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets import part_files
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.rows import hashed_rows
from feedrate.bench.datasets.rows.checksum import RowSum
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.datasets.writer import new_dataset
from feedrate.loaders.base import Categorical, Schema
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import read_columns
from feedrate.loaders.parquet.files import read_split
from feedrate.loaders.toolkit import prepared_folder

SCHEMA = Schema(single_hot=(Categorical(name="a", cardinality=10),), label="y")


def _table(rows: int) -> pa.Table:
    return pa.table({"a": np.arange(rows) % 10, "y": np.zeros(rows)})


def test_tables_of_any_size_become_row_groups_and_files_of_the_sizes_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_files, "ROW_GROUPS_A_FILE", 3)
    with new_dataset(tmp_path / "d", SCHEMA, options=PrepareOptions(row_group_rows=100)) as writer:
        for rows in (1, 250, 99, 400, 7):
            writer.add("train", _table(rows))
        writer.add("valid", _table(5))
        writer.finish("d", {})
    files = [pq.ParquetFile(file) for file in read_dataset(tmp_path / "d").split("train").files]
    groups = [[f.metadata.row_group(i).num_rows for i in range(f.metadata.num_row_groups)] for f in files]
    assert groups == [[100, 100, 100], [100, 100, 100], [100, 57]]


def test_the_checksum_written_is_that_of_the_files(small: Dataset) -> None:
    for name, split in small.info.splits.items():
        columns, rows = read_columns(small.split(name)), RowSum()
        rows.add(columns.slice(0, columns.rows))
        assert (rows.result().rows, rows.result().digest) == (split.rows, split.checksum)


def test_the_rows_are_hashed_the_same_in_blocks_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bags = pa.array([list(range(row % 4)) for row in range(1000)], pa.list_(pa.int32()))
    table = pa.table({"a": np.arange(1000) % 10, "b": bags, "x": np.sin(np.arange(1000)), "y": np.zeros(1000)})
    schema = Schema(
        single_hot=SCHEMA.single_hot, multi_hot=(Categorical(name="b", cardinality=4),), continuous=("x",), label="y"
    )
    for block in (7, 1000):
        monkeypatch.setattr(hashed_rows, "HASHED_ROWS", block)
        with new_dataset(tmp_path / str(block), schema) as writer:
            writer.add("train", table)
            writer.add("valid", table.slice(0, 9))
            writer.finish("d", {})
    written = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in tmp_path.iterdir()
    ]
    assert len(written[0]) == 9
    assert written[0] == written[1]


def test_a_writer_that_dies_leaves_nothing_and_what_was_there(tmp_path: Path) -> None:
    with new_dataset(tmp_path / "d", SCHEMA) as writer:
        writer.add("train", _table(5))
        writer.add("valid", _table(5))
        writer.finish("first", {})
    with (
        pytest.raises(KeyboardInterrupt),
        new_dataset(tmp_path / "d", SCHEMA, options=PrepareOptions(overwrite=True)) as writer,
    ):
        writer.add("train", _table(5))
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    assert read_dataset(tmp_path / "d").info.name == "first"


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    """A real limit: no file of this process may have more than 5,000 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
    try:
        with pytest.raises(FeedrateError, match="data cannot be written: File too large$"):
            prepare_synthetic(tmp_path / "data", rows=20_000, options=PrepareOptions())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_overwriting_a_dataset_removes_its_other_formats(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with new_dataset(tmp_path / "d", SCHEMA, options=PrepareOptions(overwrite=True)) as writer:
            writer.add("train", _table(5))
            writer.add("valid", _table(5))
            writer.finish(name, {})
        assert not (tmp_path / "d" / "formats").exists()
        split = read_dataset(tmp_path / "d").split("train")
        assert prepared_folder(split, "empty", {}, lambda _folder: None).is_relative_to(tmp_path / "d" / "formats")


def test_a_split_without_rows_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(FeedrateError, match="the valid split has no rows"),
        new_dataset(tmp_path / "d", SCHEMA) as writer,
    ):
        writer.add("train", _table(5))
        writer.finish("d", {})
    assert not (tmp_path / "d").exists()


def test_a_folder_that_is_none_or_broken_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match="has no dataset.json"):
        read_dataset(tmp_path)
    with new_dataset(tmp_path / "d", SCHEMA) as writer:
        for split in ("train", "valid"):
            writer.add(split, _table(5))  # type: ignore[arg-type]
        writer.finish("d", {})
    path = tmp_path / "d" / "dataset.json"
    content = json.loads(path.read_text())
    for broken in (b"{", b'{"name": "\xff"}', b'{"provenance": ' + b"[" * 100_000):
        path.write_bytes(broken)
        with pytest.raises(FeedrateError, match="cannot be read"):
            read_dataset(tmp_path / "d")
        with pytest.raises(FeedrateError, match="cannot be read"):
            read_split(tmp_path / "d", split="train")
    path.write_text(json.dumps({**content, "format_version": 99}))
    with pytest.raises(FeedrateError, match="has format 99"):
        read_dataset(tmp_path / "d")
    path.write_text(json.dumps(content))
    part = tmp_path / "d" / "train" / "part-0000.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(FeedrateError, match=r"part-0000\.parquet cannot be read as Parquet"):
        read_dataset(tmp_path / "d")
    part.unlink()
    with pytest.raises(FeedrateError, match="is missing, though dataset.json lists it"):
        read_dataset(tmp_path / "d")
