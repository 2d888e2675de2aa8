"""The fixture checks rules in a process of its own, in real pytest runs, if the loader can be imported by name."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

TEST = """
import os
from feedrate.loaders.native_batched import NativeBatchedLoader

class Exits(NativeBatchedLoader):
    def epoch(self, index):
        os._exit(0)

def test_in_a_process_of_its_own(feedrate):
    feedrate(Exits, rows=10_000, rounds=1)

def test_in_this_process(feedrate):
    class Local(NativeBatchedLoader):
        def epoch(self, index):
            raise SystemExit(3)

    feedrate(Local, rows=10_000, rounds=1)
"""


@pytest.mark.slow
def test_a_loader_that_ends_its_process_fails_the_test_and_not_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(TEST)
    installed = any(point.value == "feedrate.bench.plugin.hooks" for point in entry_points(group="pytest11"))
    plugins = [] if installed else ["-p", "feedrate.bench.plugin.hooks"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-q", "-p", "no:cacheprovider"], cwd=tmp_path, capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    assert "2 failed" in done.stdout, done.stdout + done.stderr
    assert "epochs_end: its process exited with code 0 in the middle of an epoch (also spoils: " in done.stdout
    assert "epochs_end: it called sys.exit(3) (also spoils: " in done.stdout
    assert done.stdout.count("cannot be imported by name, so feedrate checks its rules in pytest's own process") == 1
