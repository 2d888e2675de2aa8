"""The commit of a checkout, and which of its files make it dirty."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from feedrate.bench.host.lifecycle.checkout import Checkout, read_checkout, warning


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("FEEDRATE_COMMIT", raising=False)
    for name in ("bench/module.py", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one\n")
    for words in ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -q -m one"):
        subprocess.run(["git", "-C", str(tmp_path), *words.split()], check=True)
    return tmp_path


def test_untracked_files_do_not_make_a_checkout_dirty(checkout: Path) -> None:
    (checkout / "runs").mkdir()
    (checkout / "runs" / "run.json").write_text("{}")
    (checkout / "mine.py").write_text("")
    read = read_checkout(checkout)
    assert (read.dirty, read.changed, warning(read)) == (False, (), "")
    assert read.commit is not None
    assert len(read.commit) == 40


def test_tracked_changes_and_untracked_modules_do(checkout: Path) -> None:
    (checkout / "notes.md").write_text("two\n")
    (checkout / "bench" / "new.py").write_text("")
    read = read_checkout(checkout)
    assert (read.dirty, read.changed) == (True, ("notes.md", "bench/new.py"))
    assert warning(read).startswith("this checkout has uncommitted changes (notes.md and 1 more): the record")
    subprocess.run(["git", "-C", str(checkout), "add", "notes.md"], check=True)
    assert "notes.md" in read_checkout(checkout).changed


def test_a_copy_without_git_says_its_commit_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEEDRATE_COMMIT", raising=False)
    assert read_checkout(tmp_path) == Checkout(None)
    assert read_checkout(tmp_path).dirty is None
    monkeypatch.setenv("FEEDRATE_COMMIT", "abc-dirty")
    assert (read_checkout(tmp_path).commit, read_checkout(tmp_path).dirty) == ("abc", True)
    assert warning(read_checkout(tmp_path)).startswith("this checkout has uncommitted changes: the record")
    monkeypatch.setenv("FEEDRATE_COMMIT", "abc")
    assert read_checkout(tmp_path).dirty is False
