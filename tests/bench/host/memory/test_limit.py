"""A real control group: what its processes take counts together, and the kernel kills what needs more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from feedrate.bench.host.memory import limit
from feedrate.bench.results.parts.memory import LimitRecord
from feedrate.loaders.errors import FeedrateError

LIMIT_BYTES = 64_000_000
TAKES = "x = bytearray({}_000_000)"
STARTS = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {!r}]).returncode != 0)"


@pytest.fixture(autouse=True)
def _allowed() -> None:
    try:
        limit.require_limits(LIMIT_BYTES)
    except FeedrateError as error:
        pytest.skip(f"needs control groups: {error}")


def _run(code: str) -> tuple[int, LimitRecord]:
    with limit.limited(LIMIT_BYTES) as group:
        ended = subprocess.run(group.command([sys.executable, "-c", code]), check=False)
        return ended.returncode, group.record()


def test_a_process_within_the_limit_is_counted_and_left_alone() -> None:
    code, record = _run(TAKES.format(30))
    assert code == 0
    assert record.kills == 0
    assert record.killed() == ""
    assert 30_000_000 < (record.peak_bytes or 0) < LIMIT_BYTES


def test_a_process_that_needs_more_is_killed_and_that_is_said() -> None:
    code, record = _run(TAKES.format(100))
    assert code < 0
    assert record.killed() == "it needed more than its limit of 64 MB, so the kernel killed a process of it"


def test_a_process_s_children_are_within_it() -> None:
    code, record = _run(STARTS.format(TAKES.format(100)))
    assert code == 1
    assert record.kills == 1


def test_files_that_are_read_do_not_kill_but_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 2 * LIMIT_BYTES)
    drop = f"import os; f = open({str(file)!r}, 'rb', 0); os.fsync(f.fileno()); os.posix_fadvise(f.fileno(), 0, 0, 4)\n"
    code, record = _run(f"{drop}for _ in range(3):\n    f.seek(0)\n    while f.read(1 << 20): pass")
    assert code == 0
    assert record.kills == 0
    assert record.refault_bytes > LIMIT_BYTES


def test_nothing_is_left_of_a_group() -> None:
    with limit.limited(LIMIT_BYTES) as group:
        assert group.folder.is_dir()
    assert not group.folder.exists()


def test_a_system_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(limit, "ROOT", tmp_path / "absent")
    with pytest.raises(FeedrateError, match=r"--limit-memory needs a control group .* \(No such file or directory: "):
        limit.require_limits(LIMIT_BYTES)
