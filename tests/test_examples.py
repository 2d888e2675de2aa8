"""The examples run, and print what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from feedrate.bench.datasets import nvtabular_etl
from feedrate.bench.datasets.canonical import Dataset

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_training_with_the_cupy_batcher(small: Dataset, tmp_path: Path) -> None:
    printed = _run(tmp_path, "train_with_cupy.py", small.folder, "--epochs", "1", "--batch-size", "512")
    assert "of 8: loss" in printed
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.usefixtures("nvtabular_installed")
def test_the_reference_notebook_says_what_its_throughput_should_have_been(real_data: Path, tmp_path: Path) -> None:
    nvtabular_etl.prepare_movielens(real_data / "ml-25m", tmp_path / "d", name="x", seed=0)
    printed = _run(tmp_path, "merlin_notebook.py", tmp_path / "d", "--trust-workflow", "--epochs", "2")
    assert "Epoch 01. Train loss" in printed
    assert "num_rows_processed went up by 4 a batch" in printed
    rates = dict(line.split()[:2] for line in printed.splitlines() if line.startswith(("printed", "true")))
    true, wrong = (float(rates[name].replace(",", "")) for name in ("true", "printed"))
    assert true > 10 * wrong


def _run(cwd: Path, script: str, *words: str | Path) -> str:
    command = [sys.executable, str(EXAMPLES / script), *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
