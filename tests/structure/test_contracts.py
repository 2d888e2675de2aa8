"""The import contracts close: a planted import of each kind fails lint-imports."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("bench", "loaders", "reports")


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and of its contracts."""
    copy = tmp_path_factory.mktemp("contracts")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("published", "__pycache__"))
    shutil.copytree(ROOT / "feedrate", copy / "feedrate", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def lint(copy: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(program), "--no-cache"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(copy)},
    )


def test_contracts_hold_without_a_planted_import(copied: Path) -> None:
    result = lint(copied)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("bench/run/planted.py", "from feedrate.reports.formats import html", "only the command line and the pytest plugin import reports"),
        ("bench/run/planted.py", "from feedrate import load", "no room imports the facade, which would bring every other room with it"),
        ("bench/planted/__init__.py", "import feedrate.bench.results.record", "the rooms of bench: arrows run down"),
        ("bench/results/planted.py", "from feedrate.bench.run import plan", "the rooms of bench: arrows run down"),
        ("bench/consumer/planted.py", "from feedrate.bench.trial import trial", "the rooms of bench: arrows run down"),
        ("reports/analysis/planted.py", "from feedrate.bench.profiling import nsys", "reports see nothing of bench but results"),
        ("reports/analysis/planted.py", "from feedrate.loaders import native", "reports and results see nothing of loaders but errors and settings"),
        ("reports/analysis/planted.py", "from feedrate.reports.formats import html", "the rooms of reports: arrows run down"),
        ("loaders/planted_adapter.py", "import feedrate.loaders.base", "the rooms of loaders: arrows run down, and no adapter imports another"),
        ("bench/run/planted.py", "from feedrate.loaders import native", "the harness finds adapters through the registry"),
        ("loaders/testing/fake.py", "from feedrate.loaders.testing import slow", "no planted fault imports another adapter"),
        ("loaders/adapters/arrow.py", "from feedrate.loaders.adapters import polars", "no adapter of a library imports another"),
        ("loaders/native.py", "from feedrate.loaders import cupy", "the rooms of loaders: arrows run down, and no adapter imports another"),
        ("loaders/packed/planted.py", "from feedrate.bench.results import record", "loaders know nothing of the harness or the reports"),
    ],
)  # fmt: skip
def test_a_planted_import_breaks_its_contract(copied: Path, file: str, line: str, contract: str) -> None:
    target = copied / file
    before = target.read_text() if target.exists() else None
    target.parent.mkdir(exist_ok=True)
    target.write_text((before or '"""Planted."""\n') + f"\n{line}\n")
    try:
        result = lint(copied)
    finally:
        if before is None:
            target.unlink()
        else:
            target.write_text(before)
        if target.parent.name == "planted":
            target.parent.rmdir()
    assert result.returncode != 0
    assert f"{contract} BROKEN" in result.stdout, result.stdout
