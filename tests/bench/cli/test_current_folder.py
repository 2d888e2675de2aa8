"""Modules of the current folder never stand in for others, whichever command runs there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import feedrate
from feedrate.bench.cli.app import app
from feedrate.bench.datasets.canonical import Dataset
from tests.samples.processes.command import start
from tests.samples.processes.shadows import NAMES, imported, shadows

SCRIPT = [sys.executable, "-P", "-c", "from feedrate.__main__ import main; main()"]
"""As pip's script for the command: it has its own folder on the search path, and not the current one."""
MODULE = [sys.executable, "-m", "feedrate"]
ROOT = str(Path(feedrate.__file__).parents[1])
PUBLISHED = Path(__file__).parents[3] / "reports" / "published" / "cpu-2026-11-26"
TRIAL = "--modes load --epochs 1 --repeats 1 --seeds 0 --batch-size 512 --device cpu --budget 60"


@pytest.fixture(scope="module")
def folder(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of shadows, with a record and a document in it."""
    folder = shadows(tmp_path_factory.mktemp("current") / "folder")
    (folder / "data").symlink_to(small.folder)
    shutil.copytree(PUBLISHED, folder / "runs" / "a")
    (folder / "table.md").write_text("<!-- table: a -->\n<!-- end -->\n")
    return folder


def _feedrate(folder: Path, words: str, *, command: list[str] = SCRIPT, python_path: str = "") -> tuple[int, str]:
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (python_path, ROOT)))}
    done = subprocess.run(
        [*command, *words.split()], capture_output=True, text=True, check=False, cwd=folder, stdin=subprocess.DEVNULL,
        env=variables,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_there_are_at_least_forty_modules_and_all_of_them_would_be_noticed(folder: Path, tmp_path: Path) -> None:
    assert len(NAMES) >= 40
    watched = shadows(tmp_path / "watched")
    subprocess.run([sys.executable, "-c", "import random"], cwd=watched, check=False, stderr=subprocess.DEVNULL)
    assert imported(watched) == "random\n"


QUICK = (
    "--help",
    "version",
    "validate runs/a",
    "report runs/a --format csv",
    "history runs",
    "tables table.md --records runs",
    "check mine:Mine --rows 2100",
    "prepare synthetic-movielens --rows 2000 -o made",
)
LONG = (
    "list",
    "doctor",
    "install",
    "new-loader one_more",
    "site runs -o site",
    "compare runs/a runs/a",
    "report runs/a --samples samples.parquet",
    "profile mine:Mine data --profiler torch --steps 3 --batch-size 512 --device cpu -o runs/b ; explain runs/b",
    "prepare parquet data/train --label rating --yes -o tables",
    "prepare parquet data/train --label rating --categorify userId --yes --etl nvtabular -o tables-nvtabular",
    "calibrate --device cpu",
    f"simulate {PUBLISHED.parent}/h200-engine-2026-11-24 --nodes 1 --storage-gb-s 10 --network-gb-s 25 --gradient-mb 10",
)


@pytest.mark.parametrize("words", [*QUICK, *(pytest.param(words, marks=pytest.mark.slow) for words in LONG)])
def test_a_command_in_the_folder_imports_nothing_from_it(words: str, folder: Path) -> None:
    for command in words.split(" ; "):
        code, said = _feedrate(folder, command)
        assert (code, imported(folder)) == (0, ""), said


@pytest.mark.parametrize(
    "words",
    ["version", pytest.param(f"run data --loaders mine:Mine,nvtabular {TRIAL} -o runs/c", marks=pytest.mark.slow)],
)
def test_python_s_dash_m_imports_nothing_from_it(words: str, folder: Path) -> None:
    """Python itself puts the folder first on the search path then."""
    code, said = _feedrate(folder, words, command=MODULE)
    assert (code, imported(folder)) == (0, ""), said


@pytest.mark.slow
def test_the_selftest_imports_nothing_from_it(folder: Path) -> None:
    """It takes minutes, so the test ends it after the first planted fault, whose trial runs in a process like all others."""
    selftest = start("selftest", folder=folder)
    assert selftest.stdout is not None
    first = selftest.stdout.readline()
    selftest.terminate()
    _, said = selftest.communicate()
    assert first, said
    assert imported(folder) == "", said


def test_every_command_is_run_in_the_folder() -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    run = {part.split()[0] for words in (*QUICK, *LONG) for part in words.split(" ; ")}
    assert commands == {name for name in run if not name.startswith("-")} | {"run", "selftest"}


@pytest.mark.slow
def test_a_search_path_that_names_the_folder_reaches_no_trial(folder: Path, tmp_path: Path) -> None:
    """Python itself imports sitecustomize of PYTHONPATH for the command, but not for the trials."""
    plain = shadows(tmp_path / "plain")
    for name in ("sitecustomize", "usercustomize"):
        (plain / f"{name}.py").unlink()
    (plain / "data").symlink_to(folder / "data")
    code, said = _feedrate(plain, f"run data --loaders mine:Mine {TRIAL} -o runs/a", python_path=".")
    assert "mine:Mine" in said
    assert (code, imported(plain)) == (0, ""), said


def test_a_library_that_is_missing_is_not_taken_from_the_folder(tmp_path: Path) -> None:
    """Even a loader from the folder, which puts it on the search path, does not make it visible."""
    plain = shadows(tmp_path / "plain")
    (plain / "mine.py").write_text(
        "try:\n    import no_such_library\nexcept ImportError:\n    pass\n"
        "try:\n    import cudf\nexcept ImportError:\n    pass\n"
        "import beside\nfrom feedrate.loaders.native_batched import NativeBatchedLoader as Mine\n"
    )
    (plain / "beside.py").write_text("")
    code, said = _feedrate(plain, "check mine:Mine --rows 2100")
    assert (code, imported(plain)) == (0, ""), said
