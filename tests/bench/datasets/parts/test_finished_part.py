"""A part's file is whole or not there, and nobody else's files are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from feedrate.bench.datasets.parts.finished_part import digest, finished_parts, own_folder, read_part, write_part
from feedrate.loaders.errors import FeedrateError


def test_pieces_come_back_in_order(tmp_path: Path) -> None:
    write_part(tmp_path / "part", (number * [number] for number in range(5)))
    assert list(read_part(tmp_path / "part")) == [[], [1], [2, 2], [3, 3, 3], [4, 4, 4, 4]]


def test_tables_stay_in_the_file_until_they_are_wanted(tmp_path: Path) -> None:
    tables = [pa.table({"a": range(start, start + 3), "b": [[1], [], [2, 3]]}) for start in range(4)]
    write_part(tmp_path / "part", ((number, [table, table]) for number, table in enumerate(tables)))
    pieces = list(read_part(tmp_path / "part"))
    assert [number for number, _ in pieces] == [0, 1, 2, 3]
    for (_, stored), table in zip(pieces, tables, strict=True):
        assert [one.rows for one in stored] == [3, 3]
        assert all(one.load().equals(table) for one in stored)


def test_a_part_that_fails_midway_leaves_no_file(tmp_path: Path) -> None:
    def pieces() -> Iterator[int]:
        yield 1
        raise FeedrateError("no more")

    with pytest.raises(FeedrateError, match="no more"):
        write_part(tmp_path / "part", pieces())
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_being_written_is_not_finished(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    stage.mkdir()
    name = f"{3:07}-{digest(b'item')}"
    (stage / f"{name}.0badcafe").touch()
    (stage / "shared").touch()
    assert finished_parts(tmp_path) == 0
    (stage / name).touch()
    assert finished_parts(tmp_path) == 1


def test_digests_tell_contents_and_their_borders_apart() -> None:
    assert len({digest(b"ab", b"c"), digest(b"a", b"bc"), digest(b"abc"), digest(b"abd")}) == 4
    assert digest(b"abc") == digest(b"abc")


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    own_folder(tmp_path / "own")
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "own")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    for name in ("open", "link", "broken", "file"):
        with pytest.raises(FeedrateError, match=f"{name} is not a folder that only you can write to"):
            own_folder(tmp_path / name)
