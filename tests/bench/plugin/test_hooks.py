"""The plugin in real pytest processes, as an author of a loader meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from feedrate.bench.plugin import baseline_gate, fixture  # noqa: F401  pytester forgets imports, and torch bears no second one

pytest_plugins = ["pytester"]

GATE = "--feedrate-fail-if=rows_per_s<-90%"
REPOSITORY = Path(__file__).parents[3] / "examples" / "my_loader"
TEST = """
import dataclasses
from my_loader import MyLoader

class Doubles(MyLoader):
    def epoch(self, index):
        for batch in super().epoch(index):
            yield batch
        yield batch

class Flips(MyLoader):
    def epoch(self, index):
        for batch in super().epoch(index):
            yield batch if len(self._table) == 10_007 else dataclasses.replace(batch, label=1 - batch.label)

def test_it(feedrate):
    feedrate({loader}, rows=10_000, batch_size=1024, rounds=2, mode={mode!r})
"""


def _pytest(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """With the plugin, whether or not this checkout is installed with its entry point."""
    plugins = ["-p", "feedrate.bench.plugin.hooks"] if not _installed() else []
    command = [sys.executable, "-m", "pytest", *plugins, *words]
    path = os.pathsep.join([str(REPOSITORY), *sys.path])
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=200,
        env={**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": "", **environment},
    )  # fmt: skip


def _installed() -> bool:
    from importlib.metadata import entry_points

    return any(point.value == "feedrate.bench.plugin.hooks" for point in entry_points(group="pytest11"))


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
    assert {one["group"] for one in json.loads(saved.read_text())["benchmarks"]} == {"feedrate load", "feedrate train"}
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


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--feedrate-fail-if", "speed<-1%"], "--feedrate-fail-if has 'speed', but must be one of rows_per_s, wait_f"),
        (["--feedrate-fail-if", "first_batch_s>1"], "--feedrate-fail-if has 'first_batch_s', but must be one of"),
        (["--feedrate-fail-if", "rows_per_s"], "--feedrate-fail-if has 'rows_per_s', but takes conditions as"),
        (["--feedrate-fail-if", " , "], "--feedrate-fail-if is ' , ', but takes conditions as"),
        ([GATE], "--feedrate-fail-if needs a saved run, and */.benchmarks has none: make one with --benchmark-save"),
        ([GATE, "--benchmark-storage=elasticsearch+http://x"], "--benchmark-storage is 'elasticsearch+http://x': name"),
        ([GATE, "--feedrate-baseline=none.json"], "--feedrate-baseline is 'none.json', which cannot be read: No such"),
        (["--feedrate-baseline=none.json"], "--feedrate-baseline is 'none.json', which cannot be read: No such file"),
        ([GATE, "--benchmark-disable"], "--feedrate-fail-if needs timed rounds, and --benchmark-disable has none"),
        ([GATE, "--benchmark-skip"], "--feedrate-fail-if needs timed rounds, and --benchmark-skip has none"),
    ],
)
def test_mistaken_options_end_pytest_before_anything_is_collected(
    words: list[str], sentence: str, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("print('COLLECTED')")
    _refused(_inside(pytester, *words), sentence)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"benchmarks": null}',
        '{"benchmarks": [1]}',
        '{"benchmarks": [{"fullname": "x", "extra_info": 1}]}',
        "[" * 100_000,
    ],
    ids=["empty", "list", "nothing", "null", "number", "extra_info", "deep"],
)
def test_a_baseline_that_is_no_file_of_pytest_benchmark_is_a_sentence(text: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("print('COLLECTED')")
    pytester.makefile(".json", saved=text)
    done = _inside(pytester, GATE, "--feedrate-baseline=saved.json")
    _refused(done, "--feedrate-baseline is 'saved.json', which is no file of pytest-benchmark")


def test_without_its_options_and_fixture_nothing_heavy_is_imported(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "import sys\n\ndef test_it():\n    assert not {'torch', 'feedrate.bench.plugin.baseline_gate', 'scipy'} & set(sys.modules)\n"
    )
    done = _pytest(tmp_path, "-q")
    assert done.returncode == 0, done.stdout


def test_the_help_says_how_the_baseline_is_written(pytester: pytest.Pytester) -> None:
    assert "--feedrate-baseline=FILE: after a space" in " ".join(_inside(pytester, "--help").stdout.str().split())


@pytest.mark.slow
def test_another_mode_and_data_that_are_not_there_are_sentences(tmp_path: Path) -> None:
    done = _pytest(_written(tmp_path, mode="both"), "-q")
    assert "mode is 'both', but must be one of load, train" in done.stdout
    text = (tmp_path / "test_own.py").read_text().replace("mode='both'", "dataset='nowhere'")
    (tmp_path / "test_own.py").write_text(text)
    done = _pytest(tmp_path, "-q")
    assert "dataset is 'nowhere', but must be synthetic-movielens or a folder" in done.stdout


def test_under_xdist_rules_are_checked_and_timing_is_refused(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    _written(pytester.path)
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    done = _inside(pytester, "-rs")
    assert done.ret == 0
    assert "1 skipped" in done.stdout.str()
    assert "timed rounds are refused in pytest-xdist's worker gw0" in done.stdout.str()


def test_under_xdist_a_gate_fails_instead_of_being_left_out(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    _written(pytester.path)
    pytester.makefile(".json", saved='{"benchmarks": []}')
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    done = _inside(pytester, GATE, "--feedrate-baseline=saved.json")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*timed rounds are refused in pytest-xdist's worker gw0*"])


def test_without_pytest_s_cache_data_lie_in_a_temporary_folder(pytester: pytest.Pytester) -> None:
    _small(pytester)
    _inside(pytester, "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_rows_that_are_wrong_on_the_data_set_only_fail(pytester: pytest.Pytester) -> None:
    _small(pytester, "Flips")
    done = _inside(pytester)
    assert done.ret == 1
    done.stdout.fnmatch_lines(["Flips, on the train split of synthetic-movielens: the rows' checksum is *, not *"])


def test_the_latest_of_pytest_benchmark_s_storage_is_compared_with(pytester: pytest.Pytester) -> None:
    _small(pytester)
    storage = f"--benchmark-storage=file://{pytester.path / 'kept'}"
    assert _inside(pytester, storage, "--benchmark-save=one").ret == 0
    [saved] = pytester.path.glob("kept/*/0001_one.json")
    _change(saved, rows_per_s=1.0)
    saved.with_name("0002_two.json").write_text(saved.read_text())
    _change(saved, rows_per_s=1e12)  # is older, by its number
    assert _inside(pytester, storage, GATE).ret == 0
    _change(saved.with_name("0002_two.json"), rows_per_s=1e12)
    done = _inside(pytester, storage, GATE)
    assert done.ret == 1
    done.stdout.fnmatch_lines(["against 0002_two.json", "rows_per_s is *, beyond rows_per_s<-90%, in each of 1 rounds"])
    done = _inside(pytester, storage, "--feedrate-fail-if=auc<-0.1")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*'auc<-0.1', but no test has measured auc: it is not measured in mode load"])


def test_a_saved_run_of_other_settings_is_refused_and_of_another_machine_warned_of(pytester: pytest.Pytester) -> None:
    _small(pytester)
    assert _inside(pytester, "--benchmark-json=saved.json").ret == 0
    gate, saved = (GATE, "--feedrate-baseline=saved.json"), pytester.path / "saved.json"
    _change(saved, rows_per_s=1.0, machine="an abacus")
    done = _inside(pytester, *gate)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*saved.json was measured on an abacus, and this run on *"])
    _change(saved, rows=2000)
    done = _inside(pytester, *gate)
    assert done.ret == 1
    done.stdout.fnmatch_lines(
        ["saved.json must not be compared with this run, for they differ in rows (2000 and 1000)"]
    )
    assert "rows/s" not in done.stdout.str()  # nothing was timed


def test_a_gate_that_no_test_was_held_against_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.makefile(".json", saved='{"benchmarks": []}')
    done = _inside(pytester, GATE, "--feedrate-baseline=saved.json")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*'rows_per_s<-90%', but no test has measured rows_per_s: none timed a loader"])
    assert _inside(pytester, GATE, "--feedrate-baseline=saved.json", "--collect-only").ret == 0


def _small(pytester: pytest.Pytester, loader: str = "MyLoader") -> None:
    text = TEST.format(loader=loader, mode="load").replace("rows=10_000", "rows=1000").replace("rounds=2", "rounds=1")
    pytester.makepyfile(test_own=text)


def _inside(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    """In this process, where torch is imported already."""
    pytester.syspathinsert(REPOSITORY)
    plugins = [] if _installed() else ["-p", "feedrate.bench.plugin.hooks"]
    return pytester.runpytest_inprocess("-q", *plugins, *words)


def _refused(done: pytest.RunResult, sentence: str) -> None:
    said = done.stdout.str() + done.stderr.str()
    assert done.ret == pytest.ExitCode.USAGE_ERROR, said
    assert fnmatch(said, f"*{sentence}*"), said
    assert "Traceback" not in said
    assert "COLLECTED" not in said


def _change(saved: Path, **values: object) -> None:
    run = json.loads(saved.read_text())
    run["benchmarks"][0]["extra_info"] |= values
    saved.write_text(json.dumps(run))
