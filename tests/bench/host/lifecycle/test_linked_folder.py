"""Folders are replaced in one step, whether they can be moved or not, and what killed processes left is removed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from feedrate.bench.host.lifecycle import replaced_folder
from feedrate.bench.host.lifecycle.linked_folder import in_place_of
from feedrate.bench.host.lifecycle.replaced_folder import clear_up, partial_of, parts_of, put_in_place


def make(folder: Path, content: str) -> Path:
    folder.mkdir()
    (folder / "file").write_text(content)
    return folder


def install(path: Path, content: str) -> None:
    with in_place_of(path) as new:
        make(new, content)


def names(folder: Path) -> list[str]:
    return sorted(path.name.split("-")[0] for path in folder.iterdir())


def test_the_link_points_to_the_newest_folder_and_the_others_are_gone(tmp_path: Path) -> None:
    for content in ("first", "second"):
        install(tmp_path / "x", content)
        assert (tmp_path / "x" / "file").read_text() == content
        assert names(tmp_path) == [".x.new", "x"]


def test_a_folder_of_an_earlier_feedrate_becomes_a_link(tmp_path: Path) -> None:
    make(tmp_path / "x", "old")
    install(tmp_path / "x", "new")
    assert (tmp_path / "x").is_symlink()
    assert (tmp_path / "x" / "file").read_text() == "new"
    assert names(tmp_path) == [".x.new", "x"]


@pytest.mark.parametrize("linked", [False, True])
def test_a_block_that_fails_leaves_the_old_folder(linked: bool, tmp_path: Path) -> None:
    (install if linked else make)(tmp_path / "x", "old")
    before = names(tmp_path)
    with pytest.raises(KeyboardInterrupt), in_place_of(tmp_path / "x") as new:
        make(new, "half")
        raise KeyboardInterrupt
    assert (tmp_path / "x" / "file").read_text() == "old"
    assert names(tmp_path) == before


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    install(tmp_path / "x", "old")
    if not (child := os.fork()):
        with in_place_of(tmp_path / "x") as new:
            make(new, "half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert (tmp_path / "x" / "file").read_text() == "old"
    assert names(tmp_path) == [".x.new", ".x.new", "x"]
    install(tmp_path / "x", "new")
    assert (tmp_path / "x" / "file").read_text() == "new"
    assert names(tmp_path) == [".x.new", "x"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_is_replaced_with_and_without_an_exchange(
    exchanges: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchanges:
        monkeypatch.setattr(replaced_folder, "_exchange", lambda _one, _other: False)
    make(tmp_path / "x", "old")
    put_in_place(make(partial_of(tmp_path / "x"), "new"), tmp_path / "x")
    assert (tmp_path / "x" / "file").read_text() == "new"
    assert names(tmp_path) == ["x"]


def test_a_signal_between_two_steps_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaced_folder, "_exchange", lambda _one, _other: False)
    new = make(partial_of(make(tmp_path / "x", "old")), "new")
    rename = Path.rename

    def stopped(path: Path, target: Path) -> Path:
        if path == new:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt):
        put_in_place(new, tmp_path / "x")
    assert (tmp_path / "x" / "file").read_text() == "old"
    clear_up(tmp_path / "x")
    assert names(tmp_path) == ["x"]


def test_finished_parts_are_removed_unless_they_are_to_be_kept(tmp_path: Path) -> None:
    parts = make(parts_of(tmp_path / "x"), "part")
    make(partial_of(tmp_path / "x"), "left")
    clear_up(tmp_path / "x", keep_parts=True)
    assert names(tmp_path) == [parts.name]
    clear_up(tmp_path / "x")
    assert names(tmp_path) == []
