"""Real processes that want the same folder."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from feedrate.bench.host.lifecycle.folder_lock import only_writer
from feedrate.bench.results.whole_file import LOCK_FILE
from feedrate.loaders.errors import FeedrateError

HOLD = (
    "import sys, time; from pathlib import Path; from feedrate.bench.host.lifecycle.folder_lock import only_writer\n"
    "with only_writer(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
)


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_writer_is_told_who_the_first_one_is(tmp_path: Path) -> None:
    first = holder(tmp_path / "run")
    sentence = rf"run is being written to by process {first.pid} \(`feedrate .*`, since .*\): wait until it ends"
    with pytest.raises(FeedrateError, match=sentence), only_writer(tmp_path / "run"):
        raise AssertionError("it was not held")
    first.communicate("")
    with only_writer(tmp_path / "run"):
        assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK_FILE]
    assert list(tmp_path.iterdir()) == []


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    first = holder(tmp_path / "run")
    first.kill()
    first.communicate()
    assert (tmp_path / "run" / LOCK_FILE).exists()
    with only_writer(tmp_path / "run"):
        pass
    assert list((tmp_path / "run").iterdir()) == []


def test_a_folder_that_exists_or_was_filled_stays(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with only_writer(tmp_path / "there"), only_writer(tmp_path / "new" / "filled"):
        (tmp_path / "new" / "filled" / "file").touch()
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "new", "new/filled", "new/filled/file", "there",
    ]  # fmt: skip


def test_a_folder_that_is_replaced_is_locked_beside_it(tmp_path: Path) -> None:
    with only_writer(tmp_path / "data", replaced=True):
        (tmp_path / "data").mkdir()
        (tmp_path / "data").rename(tmp_path / "old")
        with (
            pytest.raises(FeedrateError, match=f"by process {os.getpid()} "),
            only_writer(tmp_path / "data", replaced=True),
        ):
            raise AssertionError("it was not held")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 9000, b'{"pid": "x"}', b"[" * 4000])
def test_a_lock_file_with_strange_content_locks_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_bytes(content)
    with only_writer(tmp_path):
        assert str(os.getpid()).encode() in (tmp_path / LOCK_FILE).read_bytes()
        assert platform.node().encode() in (tmp_path / LOCK_FILE).read_bytes()


def test_a_link_in_the_place_of_the_lock_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK_FILE).symlink_to(tmp_path / "precious")
    with pytest.raises(FeedrateError, match="symbolic links"), only_writer(tmp_path / "run"):
        raise AssertionError("it was followed")
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.slow
def test_of_many_processes_one_at_a_time_writes(tmp_path: Path) -> None:
    """Each adds 1 to a number 30 times, reading and writing it in two steps. Locks come and go with the folder."""
    source = (
        "import sys; from pathlib import Path; from feedrate.bench.host.lifecycle.folder_lock import only_writer\n"
        "from feedrate.loaders.errors import FeedrateError\n"
        "number, done = Path(sys.argv[1]), 0\n"
        "while done < 30:\n"
        "    try:\n"
        "        with only_writer(Path(sys.argv[2])):\n"
        "            value = int(number.read_text()); number.write_text(str(value + 1)); done += 1\n"
        "    except FeedrateError: pass\n"
    )
    (tmp_path / "number").write_text("0")
    words = [sys.executable, "-c", source, str(tmp_path / "number"), str(tmp_path / "a" / "b")]
    processes = [subprocess.Popen(words) for _ in range(5)]
    assert [process.wait(120) for process in processes] == [0] * 5
    assert (tmp_path / "number").read_text() == "150"


def test_a_folder_that_cannot_be_written_to_is_named() -> None:
    with (
        pytest.raises(FeedrateError, match="^/proc/run cannot be written to: No such file or directory$"),
        only_writer(Path("/proc/run")),
    ):
        raise AssertionError("it was not held")


def test_a_full_disk_is_named_and_leaves_no_lock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    write = os.write
    monkeypatch.setattr(os, "write", lambda _lock, content: write(full, content))
    with (
        pytest.raises(FeedrateError, match="run cannot be written to: No space left on device$"),
        only_writer(tmp_path / "run"),
    ):
        raise AssertionError("it was not held")
    os.close(full)
    assert list(tmp_path.iterdir()) == []
