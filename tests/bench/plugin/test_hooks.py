"""The plugin in real pytest runs, as the author of a loader uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from feedrate.bench.plugin import baseline_gate, fixture  # noqa: F401  pytester undoes imports, and torch cannot be imported twice

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
    """Run pytest with the plugin, whether or not this checkout is installed with its entry point."""
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
def test_the_example_s_own_tests_pass_and_report_their_numbers(tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    result = _pytest(REPOSITORY, "-o", f"cache_dir={tmp_path / 'cache'}", f"--benchmark-json={saved}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 passed" in result.stdout
    assert "rows/s" in result.stdout
    benchmarks = json.loads(saved.read_text())["benchmarks"]
    infos = {benchmark["extra_info"]["mode"]: benchmark["extra_info"] for benchmark in benchmarks}
    assert set(infos) == {"load", "train"}
    assert {benchmark["group"] for benchmark in benchmarks} == {"feedrate load", "feedrate train"}
    assert infos["load"]["rows_per_s"] > infos["train"]["rows_per_s"] > 0
    assert 0.5 < infos["train"]["auc"] < 1
    assert len(infos["train"]["rows_per_s_rounds"]) == 3


def test_a_loader_that_breaks_a_rule_fails_with_its_sentence(tmp_path: Path) -> None:
    result = _pytest(_written(tmp_path, "Doubles"), "-q")
    assert result.returncode == 1
    assert "Doubles violates the loader contract" in result.stdout
    assert "every_row_once" in result.stdout
    assert "Traceback" not in result.stdout


@pytest.mark.alone
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
        result = _pytest(folder, *gate)
        assert (result.returncode == 0) == passes, result.stdout
        info["rows_per_s"] /= factor
    assert "beyond rows_per_s<-10%" in result.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--feedrate-fail-if", "speed<-1%"], "--feedrate-fail-if has 'speed', but must be one of rows_per_s, wait_f"),
        (["--feedrate-fail-if", "first_batch_s>1"], "--feedrate-fail-if has 'first_batch_s', but must be one of"),
        (["--feedrate-fail-if", "rows_per_s"], "--feedrate-fail-if has 'rows_per_s', but takes conditions like"),
        (["--feedrate-fail-if", " , "], "--feedrate-fail-if is ' , ', but takes conditions like"),
        ([GATE], "--feedrate-fail-if needs a saved run, but */.benchmarks has none: create one with --benchmark-save"),
        ([GATE, "--benchmark-storage=elasticsearch+http://x"], "--benchmark-storage is 'elasticsearch+http://x', but"),
        ([GATE, "--feedrate-baseline=none.json"], "--feedrate-baseline is 'none.json', which cannot be read: No such"),
        (["--feedrate-baseline=none.json"], "--feedrate-baseline is 'none.json', which cannot be read: No such file"),
        ([GATE, "--benchmark-disable"], "--feedrate-fail-if needs timed rounds, but --benchmark-disable prevents them"),
        ([GATE, "--benchmark-skip"], "--feedrate-fail-if needs timed rounds, but --benchmark-skip prevents them"),
    ],
)
def test_wrong_options_end_pytest_before_anything_is_collected(
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
def test_a_baseline_that_is_not_a_pytest_benchmark_file_is_refused(text: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("print('COLLECTED')")
    pytester.makefile(".json", saved=text)
    result = _inside(pytester, GATE, "--feedrate-baseline=saved.json")
    _refused(result, "--feedrate-baseline is 'saved.json', which is not a pytest-benchmark file")


def test_without_its_options_and_fixture_nothing_heavy_is_imported(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "import sys\n\ndef test_it():\n    assert not {'torch', 'feedrate.bench.plugin.baseline_gate', 'scipy'} & set(sys.modules)\n"
    )
    result = _pytest(tmp_path, "-q")
    assert result.returncode == 0, result.stdout


def test_the_help_says_how_the_baseline_is_written(pytester: pytest.Pytester) -> None:
    assert "--feedrate-baseline=FILE: after a space" in " ".join(_inside(pytester, "--help").stdout.str().split())


@pytest.mark.slow
def test_an_unknown_mode_and_missing_data_are_refused(tmp_path: Path) -> None:
    result = _pytest(_written(tmp_path, mode="both"), "-q")
    assert "mode is 'both', but must be one of load, train" in result.stdout
    text = (tmp_path / "test_own.py").read_text().replace("mode='both'", "dataset='nowhere'")
    (tmp_path / "test_own.py").write_text(text)
    result = _pytest(tmp_path, "-q")
    assert "dataset is 'nowhere', but must be synthetic-movielens or a folder" in result.stdout


def test_under_xdist_rules_are_checked_and_timing_is_refused(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    _written(pytester.path)
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    result = _inside(pytester, "-rs")
    assert result.ret == 0
    assert "1 skipped" in result.stdout.str()
    assert "timed rounds are refused in pytest-xdist's worker gw0" in result.stdout.str()


def test_under_xdist_a_gate_fails_instead_of_being_left_out(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    _written(pytester.path)
    pytester.makefile(".json", saved='{"benchmarks": []}')
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    result = _inside(pytester, GATE, "--feedrate-baseline=saved.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*timed rounds are refused in pytest-xdist's worker gw0*"])


def test_without_pytest_s_cache_data_goes_to_a_temporary_folder(pytester: pytest.Pytester) -> None:
    _small(pytester)
    _inside(pytester, "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_rows_that_are_wrong_only_on_the_dataset_fail(pytester: pytest.Pytester) -> None:
    _small(pytester, "Flips")
    result = _inside(pytester)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["Flips, on the train split of synthetic-movielens: the checksum of the rows is *, but must be *"]
    )


def test_the_default_baseline_is_the_latest_in_pytest_benchmark_s_storage(pytester: pytest.Pytester) -> None:
    _small(pytester)
    storage = f"--benchmark-storage=file://{pytester.path / 'kept'}"
    assert _inside(pytester, storage, "--benchmark-save=one").ret == 0
    [saved] = pytester.path.glob("kept/*/0001_one.json")
    _change(saved, rows_per_s=1.0)
    saved.with_name("0002_two.json").write_text(saved.read_text())
    _change(saved, rows_per_s=1e12)  # its number says that it is older
    assert _inside(pytester, storage, GATE).ret == 0
    _change(saved.with_name("0002_two.json"), rows_per_s=1e12)
    result = _inside(pytester, storage, GATE)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["compared with 0002_two.json:", "rows_per_s is *: beyond rows_per_s<-90% in 1 of 1 rounds"]
    )
    result = _inside(pytester, storage, "--feedrate-fail-if=auc<-0.1")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*'auc<-0.1', but auc was not measured: it is not measured in mode load"])


def test_a_saved_run_with_other_settings_is_refused_and_one_of_another_machine_gives_a_warning(
    pytester: pytest.Pytester,
) -> None:
    _small(pytester)
    assert _inside(pytester, "--benchmark-json=saved.json").ret == 0
    gate, saved = (GATE, "--feedrate-baseline=saved.json"), pytester.path / "saved.json"
    _change(saved, rows_per_s=1.0, machine="an abacus")
    result = _inside(pytester, *gate)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*saved.json was measured on an abacus, but this run on *"])
    _change(saved, rows=2000)
    result = _inside(pytester, *gate)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["saved.json cannot be compared with this run, because they differ in: rows (2000 and 1000)"]
    )
    assert "rows/s" not in result.stdout.str()  # nothing was timed


def test_a_gate_that_no_test_was_checked_against_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.makefile(".json", saved='{"benchmarks": []}')
    result = _inside(pytester, GATE, "--feedrate-baseline=saved.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*'rows_per_s<-90%', but rows_per_s was not measured: no test timed a loader"])
    assert _inside(pytester, GATE, "--feedrate-baseline=saved.json", "--collect-only").ret == 0


def _small(pytester: pytest.Pytester, loader: str = "MyLoader") -> None:
    text = TEST.format(loader=loader, mode="load").replace("rows=10_000", "rows=1000").replace("rounds=2", "rounds=1")
    pytester.makepyfile(test_own=text)


def _inside(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    """Run pytest in this process, because it has imported torch already."""
    pytester.syspathinsert(REPOSITORY)
    plugins = [] if _installed() else ["-p", "feedrate.bench.plugin.hooks"]
    return pytester.runpytest_inprocess("-q", *plugins, *words)


def _refused(result: pytest.RunResult, sentence: str) -> None:
    output = result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR, output
    assert fnmatch(output, f"*{sentence}*"), output
    assert "Traceback" not in output
    assert "COLLECTED" not in output


def _change(saved: Path, **values: object) -> None:
    run = json.loads(saved.read_text())
    run["benchmarks"][0]["extra_info"] |= values
    saved.write_text(json.dumps(run))
