"""The plugin in real pytest processes, as an author of a loader meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2] / "examples" / "my_loader"
TEST = """
from my_loader import MyLoader

class Doubles(MyLoader):
    def epoch(self, index):
        for batch in super().epoch(index):
            yield batch
        yield batch

def test_it(feedrate):
    feedrate({loader}, rows=10_000, batch_size=1024, rounds=2, mode={mode!r})
"""


def _pytest(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """With the plugin, whether or not this checkout is installed with its entry point."""
    plugins = ["-p", "feedrate.bench.pytest_plugin"] if not _installed() else []
    command = [sys.executable, "-m", "pytest", *plugins, *words]
    path = os.pathsep.join([str(REPOSITORY), *sys.path])
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=200,
        env={**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": "", **environment},
    )  # fmt: skip


def _installed() -> bool:
    from importlib.metadata import entry_points

    return any(point.value == "feedrate.bench.pytest_plugin" for point in entry_points(group="pytest11"))


def _written(folder: Path, loader: str = "MyLoader", mode: str = "load") -> Path:
    (folder / "test_own.py").write_text(TEST.format(loader=loader, mode=mode))
    return folder


@pytest.mark.slow
def test_the_example_s_own_tests_pass_and_say_what_they_measured(tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    done = _pytest(REPOSITORY, "-o", f"cache_dir={tmp_path / 'cache'}", f"--benchmark-json={saved}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert "rows/s" in done.stdout
    infos = {one["extra_info"]["mode"]: one["extra_info"] for one in json.loads(saved.read_text())["benchmarks"]}
    assert set(infos) == {"load", "train"}
    assert infos["load"]["rows_per_s"] > infos["train"]["rows_per_s"] > 0
    assert 0.5 < infos["train"]["auc"] < 1
    assert len(infos["train"]["rows_per_s_rounds"]) == 3


def test_a_loader_that_breaks_a_rule_fails_with_its_sentence(tmp_path: Path) -> None:
    done = _pytest(_written(tmp_path, "Doubles"), "-q")
    assert done.returncode == 1
    assert "Doubles breaks the contract of a loader" in done.stdout
    assert "every_row_once" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.slow
def test_a_gate_holds_and_fails_against_a_saved_run(tmp_path: Path) -> None:
    folder, saved = _written(tmp_path), tmp_path / "saved.json"
    assert _pytest(folder, "-q", f"--benchmark-json={saved}").returncode == 0
    base = json.loads(saved.read_text())
    info = base["benchmarks"][0]["extra_info"]
    gate = ["-q", "--feedrate-fail-if", "rows_per_s<-10%", f"--feedrate-baseline={saved}"]
    for factor, passes in ((0.1, True), (10.0, False)):
        info["rows_per_s"] *= factor
        saved.write_text(json.dumps(base))
        done = _pytest(folder, *gate)
        assert (done.returncode == 0) == passes, done.stdout
        info["rows_per_s"] /= factor
    assert "beyond rows_per_s<-10%" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--feedrate-fail-if", "speed<-1%"], "has 'speed'"),
        (["--feedrate-fail-if", "first_batch_s>1"], "must be one of rows_per_s, wait_fraction, auc"),
        (["--feedrate-fail-if", "rows_per_s<-1%"], "needs a saved run: make one with --benchmark-save"),
        (["--feedrate-fail-if", "rows_per_s<-1%", "--feedrate-baseline=none.json"], "is no file of pytest-benchmark"),
    ],
)
def test_bad_input_is_a_sentence(words: list[str], sentence: str, tmp_path: Path) -> None:
    done = _pytest(_written(tmp_path), "-q", *words)
    assert done.returncode
    assert sentence in done.stdout + done.stderr


@pytest.mark.slow
def test_another_mode_and_data_that_are_not_there_are_sentences(tmp_path: Path) -> None:
    done = _pytest(_written(tmp_path, mode="both"), "-q")
    assert "mode is 'both', but must be one of load, train" in done.stdout
    text = (tmp_path / "test_own.py").read_text().replace("mode='both'", "dataset='nowhere'")
    (tmp_path / "test_own.py").write_text(text)
    done = _pytest(tmp_path, "-q")
    assert "dataset is 'nowhere', but must be synthetic-movielens or a folder" in done.stdout


def test_under_xdist_rules_are_checked_and_timing_is_refused(tmp_path: Path) -> None:
    done = _pytest(_written(tmp_path), "-q", "-rs", PYTEST_XDIST_WORKER="gw0")
    assert done.returncode == 0
    assert "1 skipped" in done.stdout
    assert "timed rounds are refused in pytest-xdist's worker gw0" in done.stdout
