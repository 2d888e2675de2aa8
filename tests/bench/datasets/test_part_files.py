from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets import part_files
from feedrate.bench.datasets.part_files import PartFiles

TABLE = pa.table({"a": [1, 2, 3]})


def test_row_groups_arrive_in_order(tmp_path: Path) -> None:
    files = PartFiles(tmp_path, TABLE.schema, 3)
    for start in range(3):
        files.write(TABLE.slice(start))
    files.close()
    assert files.names == ["part-0000.parquet"]
    assert pq.read_table(tmp_path / files.names[0])["a"].to_pylist() == [1, 2, 3, 2, 3, 3]


def test_rows_are_cut_into_row_groups_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_files, "ROW_GROUPS_A_FILE", 2)
    files = PartFiles(tmp_path, TABLE.schema, 4)
    for _ in range(5):
        files.add(TABLE)
    files.close()
    assert files.names == ["part-0000.parquet", "part-0001.parquet"]
    written = [pq.ParquetFile(tmp_path / name) for name in files.names]
    rows = [[file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] for file in written]
    assert rows == [[4, 4], [4, 3]]
    assert [value for file in written for value in file.read()["a"].to_pylist()] == 5 * [1, 2, 3]


@pytest.mark.parametrize("next_call", ["write", "close"])
def test_a_row_group_that_cannot_be_written_is_reported_by_the_next_call(tmp_path: Path, next_call: str) -> None:
    files = PartFiles(tmp_path / "missing", TABLE.schema, 3)
    files.write(TABLE)
    with pytest.raises(FileNotFoundError):
        files.write(TABLE) if next_call == "write" else files.close()
    files.abandon()


def test_abandoning_ends_the_thread_even_after_a_failure(tmp_path: Path) -> None:
    before = threading.active_count()
    files = PartFiles(tmp_path / "missing", TABLE.schema, 3)
    files.write(TABLE)
    assert threading.active_count() == before + 1
    files.abandon()
    assert threading.active_count() == before


def test_no_row_group_makes_no_file(tmp_path: Path) -> None:
    PartFiles(tmp_path, TABLE.schema, 3).close()
    assert not list(tmp_path.iterdir())
