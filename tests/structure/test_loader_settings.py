"""A new setting of loaders is one edit: a field of LoaderSettings reaches every loader."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROBE = """
from dataclasses import replace
from pathlib import Path
from feedrate.bench.run.plan import Plan
from feedrate.bench.trial.context import loader_config
from feedrate.loaders.base import Schema, Split
from feedrate.loaders import registry
import feedrate

plan = Plan(loaders=("spy:Spy",), pace=7)
[spec, *_] = plan.round(0)
registry.choose(spec.loader).open(Split(files=(), rows=0, schema=Schema(label="y")), loader_config(spec, shuffle=True))
print(Path(feedrate.__file__).parent)
"""

SPY = """
def Spy(split, config):
    print("pace", config.pace)
"""


def test_a_new_setting_reaches_every_loader(tmp_path: Path) -> None:
    """One line is added to a copy of the package, and nothing else."""
    for name in ("bench", "loaders", "reports"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("published", "__pycache__"))
    shutil.copytree(ROOT / "feedrate", tmp_path / "feedrate", symlinks=True)
    base = tmp_path / "loaders" / "base.py"
    line = "    prefetch: int = 2\n"
    text = base.read_text()
    assert text.count(line) == 1
    base.write_text(text.replace(line, f"    pace: int = 1\n{line}"))
    (tmp_path / "spy.py").write_text(SPY)
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=tmp_path, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(tmp_path)}
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["pace 7", str(tmp_path / "feedrate")]
