"""`feedrate new-loader` writes a loader whose test passes, and refuses names that would cause trouble."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from feedrate.bench.cli.new_loader import new_loader
from feedrate.loaders.errors import FeedrateError


def test_the_written_test_passes_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    new_loader("mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.py", "test_mine.py"]
    installed = any(point.value == "feedrate.bench.plugin.hooks" for point in entry_points(group="pytest11"))
    plugins = [] if installed else ["-p", "feedrate.bench.plugin.hooks"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-p", "no:cacheprovider", "-W", "error", "test_mine.py"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("existing", ["mine.py", "test_mine.py"])
def test_no_file_is_overwritten(existing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(existing).write_text("kept")
    with pytest.raises(FeedrateError, match=f"{existing} exists already: choose another name"):
        new_loader("mine")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(existing, "kept")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("my-loader", "which is no identifier of Python"),
        ("../mine", "which is no identifier of Python"),
        ("", "which is no identifier of Python"),
        ("class", "which is a keyword of Python"),
        ("cupy", "which is a registered loader"),
        ("json", "which would hide an existing module"),
        ("torch", "which would hide an existing module"),
        ("conftest", "which would hide an existing module"),
    ],
)
def test_a_bad_name_is_refused_in_one_sentence(
    name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FeedrateError, match=reason):
        new_loader(name)
    assert list(tmp_path.iterdir()) == []
