"""What may be in git: small files, records but no pages drawn from them, and one version of ruff."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_FILE_BYTES = 500 * 1024
"""As in .pre-commit-config.yaml. Published records are larger."""
MAX_CHECKOUT_BYTES = 15_000_000


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip(f"git cannot list the files: {listed.stderr.strip()}")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def test_a_checkout_is_small(tracked: list[Path]) -> None:
    assert 1_000_000 < sum(path.stat().st_size for path in tracked) < MAX_CHECKOUT_BYTES


def test_only_published_records_are_large_files(tracked: list[Path]) -> None:
    large = [path.relative_to(ROOT).as_posix() for path in tracked if path.stat().st_size > MAX_FILE_BYTES]
    assert [name for name in large if not re.match(r"reports/published/.*\.gz$", name)] == []


def test_published_records_are_gzipped_and_no_page_is_tracked(tracked: list[Path]) -> None:
    published = [path for path in tracked if path.is_relative_to(ROOT / "reports" / "published")]
    assert {path.suffix for path in published} == {".gz", ".md", ".txt"}


def test_pre_commit_has_the_locked_version_of_ruff() -> None:
    locked = re.search(r"^ruff==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    hook = re.search(r"ruff-pre-commit\n\s+rev: v(\S+)\n", (ROOT / ".pre-commit-config.yaml").read_text())
    assert locked
    assert hook
    assert hook[1] == locked[1]


def test_workflows_pin_every_action_by_its_commit() -> None:
    uses = [
        line.strip()
        for workflow in (*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("examples/*/.github/workflows/*.yml"))
        for line in workflow.read_text().splitlines()
        if "uses:" in line
    ]
    assert len(uses) > 10
    assert [line for line in uses if not re.search(r"uses: [\w/-]+@[0-9a-f]{40} # v[\d.]+$", line)] == []


def test_the_audit_looks_at_every_lock_file() -> None:
    audited = re.findall(r"^ +- (\S+\.lock)$", (ROOT / ".github/workflows/audit.yml").read_text(), re.MULTILINE)
    locks = {path.relative_to(ROOT).as_posix() for path in (ROOT / "loaders").rglob("*.lock")} | {"requirements.lock"}
    assert set(audited) == locks - {"loaders/torch-cpu.lock"}
