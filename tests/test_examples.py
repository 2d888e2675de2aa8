"""The examples run, and print what they promise."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.workflows import movielens

EXAMPLES = Path(__file__).parents[1] / "examples"
TABLE = "my_loader/.github/table.py"


def test_training_with_the_cupy_batcher(small: Dataset, tmp_path: Path) -> None:
    printed = _run(tmp_path, "train_with_cupy.py", small.folder, "--epochs", "1", "--batch-size", "512")
    assert "of 8: loss" in printed
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.skipif(find_spec("lightning") is None, reason="needs Lightning: pip install lightning")
def test_training_with_lightning(small: Dataset, tmp_path: Path) -> None:
    words = (small.folder, "--batch-size", "512", "--epochs", "1")
    assert "7 steps: loss 0." in _run(tmp_path, "train_with_lightning.py", *words)
    assert (tmp_path / "checkpoints" / "last.ckpt").exists()


@pytest.mark.skipif(find_spec("accelerate") is None, reason="needs Accelerate: pip install accelerate")
def test_training_with_accelerate_on_two_ranks_goes_on_from_its_checkpoint(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rank has three whole batches of the 4,000 rows."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    words = (small.folder, "--batch-size", "512", "--epochs")
    printed = _run(tmp_path, "train_with_accelerate.py", *words, "1", launcher=launcher)
    assert "epoch 0: 3,072 rows on 2 rank(s), loss 0." in printed
    printed = _run(tmp_path, "train_with_accelerate.py", *words, "2", launcher=launcher)
    assert "epoch 0" not in printed
    assert "epoch 1: 3,072 rows on 2 rank(s), loss 0." in printed


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.usefixtures("nvtabular_installed")
def test_the_reference_notebook_says_what_its_throughput_should_have_been(real_data: Path, tmp_path: Path) -> None:
    movielens.prepare_movielens(real_data / "ml-25m", tmp_path / "d", name="x")
    printed = _run(tmp_path, "merlin_notebook.py", tmp_path / "d", "--trust-workflow", "--epochs", "2")
    assert "Epoch 01. Train loss" in printed
    assert "num_rows_processed went up by 4 a batch" in printed
    rates = dict(line.split()[:2] for line in printed.splitlines() if line.startswith(("printed", "true")))
    true, wrong = (float(rates[name].replace(",", "")) for name in ("true", "printed"))
    assert true > 10 * wrong


def test_my_loader_names_every_library_that_it_imports() -> None:
    folder = EXAMPLES / "my_loader"
    tree = ast.parse((folder / "my_loader" / "__init__.py").read_text())
    imports = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imports |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    libraries = {name.partition(".")[0] for name in imports} - set(sys.stdlib_module_names)
    assert libraries == set(tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"])


def test_my_loader_s_table_has_base_head_and_change(tmp_path: Path) -> None:
    base = _saved(tmp_path / "base.json", {"t::load": {"rows_per_s": 1000.0}, "t::train": {"auc": 0.7}})
    head = _saved(
        tmp_path / "head.json", {"t::load": {"rows_per_s": 1500, "wait_fraction": 0.25}, "t::train": {"auc": 0.69}}
    )
    assert _run(tmp_path, TABLE, base, head).splitlines() == [
        "| test | | base | head | change |",
        "| --- | --- | ---: | ---: | ---: |",
        "| `t::load` | rows/s | 1,000 | 1,500 | +50.0% |",
        "| `t::load` | waiting | - | 25.0% | - |",
        "| `t::train` | AUC | 0.7000 | 0.6900 | -0.0100 |",
    ]


def test_my_loader_s_table_lets_no_markup_of_a_fork_through(tmp_path: Path) -> None:
    nasty = "t`| <img src=x>\n\r\n# @everyone [a](http://b)"
    values = {"rows_per_s": "<b>", "wait_fraction": 10**400, "auc": 0.5, "other": "<i>"}
    head = _saved(tmp_path / "head.json", {nasty: values, "u": {"rows_per_s": float("nan"), "auc": True}})
    *_, row = _run(tmp_path, TABLE, tmp_path / "none.json", head).splitlines()
    assert re.fullmatch(r"\| `[A-Za-z0-9_./:?\[\]-]+` \| AUC \| - \| 0\.5000 \| - \|", row)


@pytest.mark.parametrize("text", ["", "[]", '{"benchmarks": null}', '{"benchmarks": [1]}', "[" * 100_000], ids=len)
def test_my_loader_s_table_of_no_such_files_is_a_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    assert _run(tmp_path, TABLE, "x.json", "none.json").startswith("Neither base nor head has measured anything")


def test_my_loader_s_workflow_that_runs_a_fork_s_code_can_write_nothing() -> None:
    runs, comments = (
        (EXAMPLES / "my_loader" / ".github" / "workflows" / f"{name}.yml").read_text()
        for name in ("benchmark", "comment")
    )
    assert "write" not in re.sub("#.*", "", runs)
    assert "pull-requests: write" in comments
    assert comments.count("actions/checkout") == comments.count("repository.default_branch") == 1
    assert "pip install" not in comments
    script = comments.partition("run: |")[2].partition("env:")[0]
    assert "${{" not in script  # a branch's name would be run as shell


def _saved(path: Path, infos: dict[str, dict[str, object]]) -> Path:
    benchmarks = [{"fullname": name, "extra_info": info} for name, info in infos.items()]
    path.write_text(json.dumps({"benchmarks": benchmarks}))
    return path


def _run(cwd: Path, script: str, *words: str | Path, launcher: tuple[str, ...] = ()) -> str:
    command = [sys.executable, *launcher, str(EXAMPLES / script), *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
