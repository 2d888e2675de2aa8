"""Temporary folders are removed however their process ends."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from feedrate.loaders.scratch.temporary_folder import TemporaryFolder, remove_abandoned


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_close_removes_the_folder_and_its_files_once() -> None:
    folder = TemporaryFolder()
    (folder.path / "a").mkdir()
    (folder.path / "a" / "file").write_text("x")
    folder.close()
    folder.close()
    assert not folder.path.exists()


def test_the_with_block_removes_the_folder_after_an_error(parent: Path) -> None:
    with pytest.raises(RuntimeError), TemporaryFolder():
        raise RuntimeError
    assert list(parent.iterdir()) == []


def test_a_folder_that_nobody_refers_to_is_removed() -> None:
    folder = TemporaryFolder()
    path = folder.path
    del folder
    gc.collect()
    assert not path.exists()


def run(code: str, parent: Path) -> subprocess.CompletedProcess[str]:
    program = f"from feedrate.loaders.scratch.temporary_folder import TemporaryFolder\nimport os, signal, sys\n{code}"
    environment = {**os.environ, "TMPDIR": str(parent)}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)


def test_the_end_of_the_process_removes_the_folder(parent: Path) -> None:
    assert run("folder = TemporaryFolder()\nraise SystemExit(3)", parent).returncode == 3
    assert list(parent.iterdir()) == []


def test_the_folder_of_a_killed_process_is_removed_when_the_next_is_made(parent: Path) -> None:
    kept = TemporaryFolder()
    killed = run("folder = TemporaryFolder()\nos.kill(os.getpid(), signal.SIGKILL)", parent)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(parent.iterdir())) == 2
    with TemporaryFolder() as folder:
        assert set(parent.iterdir()) == {kept.path, folder.path}
    kept.close()


def test_a_forked_worker_leaves_the_folder_to_its_parent() -> None:
    with TemporaryFolder() as folder:
        worker = os.fork()
        if not worker:
            folder.close()
            os._exit(0)
        os.waitpid(worker, 0)
        assert folder.path.exists()


def test_a_folder_within_another_one_goes_with_it_and_has_a_short_path(parent: Path) -> None:
    with TemporaryFolder() as outer:
        done = run(
            "kept = TemporaryFolder()\nprint(kept.path)\nsys.stdout.flush()\nos.kill(os.getpid(), signal.SIGKILL)",
            outer.path,
        )
        inner = Path(done.stdout.strip())
        assert inner.is_dir()
        assert inner.parent == outer.path
        assert len(inner.name) <= 8  # Ray's sockets need short paths
    assert list(parent.iterdir()) == []


def test_a_folder_whose_process_was_killed_before_it_was_locked_is_removed_later(parent: Path) -> None:
    old, new = parent / "feedrate-new-old", parent / "feedrate-new-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    remove_abandoned()
    assert list(parent.iterdir()) == [new]
