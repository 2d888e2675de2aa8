from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets.part_files import PartFiles

TABLE = pa.table({"a": [1, 2, 3]})


def test_row_groups_arrive_in_order(tmp_path: Path) -> None:
    files = PartFiles(tmp_path, TABLE.schema)
    for start in range(3):
        files.write(TABLE.slice(start))
    files.close()
    assert files.names == ["part-0000.parquet"]
    assert pq.read_table(tmp_path / files.names[0])["a"].to_pylist() == [1, 2, 3, 2, 3, 3]


@pytest.mark.parametrize("next_call", ["write", "close"])
def test_a_row_group_that_cannot_be_written_is_reported_by_the_next_call(tmp_path: Path, next_call: str) -> None:
    files = PartFiles(tmp_path / "missing", TABLE.schema)
    files.write(TABLE)
    with pytest.raises(FileNotFoundError):
        files.write(TABLE) if next_call == "write" else files.close()
    files.abandon()


def test_abandoning_ends_the_thread_even_after_a_failure(tmp_path: Path) -> None:
    before = threading.active_count()
    files = PartFiles(tmp_path / "missing", TABLE.schema)
    files.write(TABLE)
    assert threading.active_count() == before + 1
    files.abandon()
    assert threading.active_count() == before


def test_no_row_group_makes_no_file(tmp_path: Path) -> None:
    PartFiles(tmp_path, TABLE.schema).close()
    assert not list(tmp_path.iterdir())
