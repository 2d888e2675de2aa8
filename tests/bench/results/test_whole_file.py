"""Files are replaced in one step or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from feedrate.bench.results.whole_file import replacing, write_whole
from feedrate.loaders.errors import FeedrateError


def test_folders_are_created_and_links_are_kept(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b" / "file", b"old")
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b" / "file")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "file", "link"]


def test_a_disk_quota_leaves_the_old_file_and_names_it(tmp_path: Path) -> None:
    """A real limit: no file of this process may have more than 1,000 bytes."""
    write_whole(tmp_path / "file", b"old")
    source = (
        "import resource, sys; from pathlib import Path; from feedrate.bench.results.whole_file import write_whole\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_whole(Path(sys.argv[1]), b'x' * 5000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, str(tmp_path / "file")], capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1].endswith(
        f"FeedrateError: {tmp_path / 'file'} cannot be written: File too large"
    )
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_exception_leaves_the_old_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"old")
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "file") as scratch:
        scratch.write_bytes(b"half")
        raise KeyboardInterrupt
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_two_writers_of_a_file_do_not_mix(tmp_path: Path) -> None:
    with replacing(tmp_path / "file") as scratch:
        scratch.write_bytes(b"first")
        with pytest.raises(FeedrateError, match="file is being written to by another process: wait until it ends"):
            write_whole(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first"


def test_a_pipe_or_device_is_written_to_directly(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        write_whole(tmp_path / "pipe", b"content")
        assert reader.communicate()[0] == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
