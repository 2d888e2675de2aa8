from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from feedrate.bench.run.data_files import change, file_states


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("dataset.json", "train/part-0000.parquet", "order_samples/train.npy", "row_hashes/train.i64"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 1234)
    return tmp_path


def rewrite_in_place(file: Path) -> None:
    """Other bytes, the same size, the old times: only the system's own time of change tells."""
    before = file.stat()
    file.write_bytes(b"y" * 1234)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def replace_with_a_copy(file: Path) -> None:
    before = file.stat()
    copy = file.with_name("copy")
    copy.write_bytes(file.read_bytes())
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    copy.replace(file)


@pytest.mark.parametrize(
    ("alter", "sentence"),
    [
        (lambda file: file.write_bytes(b"x" * 12), "train/part-0000.parquet changed (size 1,234 -> 12 bytes)"),
        (lambda file: file.unlink(), "train/part-0000.parquet was removed"),
        (rewrite_in_place, "train/part-0000.parquet was written to (same size)"),
        (replace_with_a_copy, "train/part-0000.parquet was replaced (same size)"),
        (lambda file: file.with_name("part-0001.parquet").touch(), "train/part-0001.parquet was added"),
        (lambda file: file.parents[1].joinpath("row_hashes/train.i64").unlink(), "row_hashes/train.i64 was removed"),
        (lambda file: [(file.parent / f"a{n}").touch() for n in range(3)], "train/a0 was added, and 2 more"),
        (lambda file: file.read_bytes(), ""),
    ],
)
def test_a_change_is_named(alter: Callable[[Path], object], sentence: str, data: Path) -> None:
    before = file_states(data)
    assert set(before) == {"dataset.json", "train/part-0000.parquet", "order_samples/train.npy", "row_hashes/train.i64"}
    alter(data / "train" / "part-0000.parquet")
    assert change(before, file_states(data)) == sentence


def test_links_are_followed_once(data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "file"
    elsewhere.write_bytes(b"1")
    (data / "valid").symlink_to(elsewhere.parent)
    (data / "loop").symlink_to(data)
    (data / "dangling").symlink_to(data / "nothing")
    before = file_states(data)
    assert "valid/file" in before
    assert not any(name.startswith(("loop/", "dangling")) for name in before)
    elsewhere.write_bytes(b"12")
    assert change(before, file_states(data)) == "valid/file changed (size 1 -> 2 bytes)"


def test_a_folder_that_is_gone_has_no_files(data: Path) -> None:
    assert file_states(data / "nothing") == {}


def test_a_format_may_be_added_but_not_changed(data: Path) -> None:
    (data / "formats" / "lance-1" / "train").mkdir(parents=True)
    (data / "formats" / "lance-1" / "train" / "rows").write_text("x")
    before = file_states(data)
    (data / "formats" / ".mds-1.partial" / "train").mkdir(parents=True)
    (data / "formats" / ".mds-1.partial" / "train" / "half").write_text("x")
    assert file_states(data) == before
    (data / "formats" / ".mds-1.partial").rename(data / "formats" / "mds-1")
    assert change(before, file_states(data)) == ""
    (data / "formats" / "lance-1" / "train" / "rows").write_text("other")
    assert change(before, file_states(data)) == "formats/lance-1/train/rows changed (size 1 -> 5 bytes)"
