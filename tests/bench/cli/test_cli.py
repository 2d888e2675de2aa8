"""The command as a user runs it: a process, its exit code, and what it says."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from feedrate import __version__
from feedrate.bench.datasets.canonical import Dataset

FEEDRATE = [sys.executable, "-c", "from feedrate.__main__ import main; main()"]


def _feedrate(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FEEDRATE, *map(str, words)], capture_output=True, text=True, check=False, cwd=cwd, stdin=subprocess.DEVNULL
    )


@pytest.fixture(scope="module")
def run(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "first"
    options = "--loaders cupy,fake:drop_rows=1 --modes train --epochs 1 --repeats 2 --seeds 0 --batch-size 512 --device cpu".split()
    done = _feedrate("run", small.folder, *options, "-o", output)
    assert done.returncode == 1, done.stderr  # a loader was void
    assert done.stdout.startswith("cupy is the only loader with a result")
    assert "void: timed epoch 1: an epoch delivered 3,999 rows, 1 fewer" in done.stderr
    return output


def test_run_writes_a_record_and_a_page(run: Path) -> None:
    content = json.loads((run / "run.json").read_text())
    assert sorted(trial["status"] for trial in content["trials"]) == ["ok"] * 2 + ["void"] * 2
    assert content["environment"]["command"].startswith("feedrate run ")
    assert "<h1>" in (run / "report.html").read_text()


def test_a_worker_s_error_is_one_line_and_the_other_loader_is_timed(small: Dataset, tmp_path: Path) -> None:
    loader = "tests.samples.reported_loaders:WorkerRaises"
    options = "--modes load --epochs 1 --repeats 1 --seeds 0 --batch-size 512 --device cpu".split()
    words = ("run", small.folder, "--loaders", f"{loader},native-batched", *options, "-o", tmp_path / "r")
    done = _feedrate(*words, cwd=Path(__file__).parents[3])
    assert done.returncode == 1
    statuses = {t["spec"]["loader"]: t["status"] for t in json.loads((tmp_path / "r/run.json").read_text())["trials"]}
    assert statuses == {loader: "failed", "native-batched": "ok"}
    [log] = (tmp_path / "r/logs").iterdir()
    assert "Original Traceback" in log.read_text()
    sentence = f"ValueError: cannot parse row 7: 'N/A' <b>[red]markup[/red]</b> (see logs/{log.name})"
    assert f"{loader} load #0 batch 512 seed 0: failed: {sentence}\n" in done.stderr
    assert f"{loader}: 1 of 1 trials failed: {sentence} " in " ".join(done.stdout.split())


def test_report_draws_several_runs_and_writes_tables(run: Path, tmp_path: Path) -> None:
    done = _feedrate("report", run, run / "run.json", "-o", tmp_path / "both.html", "--format", "markdown")
    assert done.returncode == 0, done.stderr
    assert "| cupy, first 1 |" in done.stdout
    assert "cupy, first 2" in (tmp_path / "both.html").read_text()
    table = _feedrate("report", run, "-o", tmp_path / "one.html", "--format", "csv").stdout
    rows = {row["loader"]: row for row in csv.DictReader(table.splitlines())}
    assert float(rows["cupy"]["train_rows_per_s"]) > 0
    assert (rows["cupy"]["auc_n"], rows["fake:drop_rows=1"]["auc"]) == ("2", "")


@pytest.mark.slow
def test_ctrl_c_leaves_a_readable_run_that_resume_finishes(small: Dataset, tmp_path: Path) -> None:
    words = f"run {small.folder} --loaders fake:delay_s=0.05,fake:delay_s=0.06 --modes load --epochs 3 --repeats 1 --seeds 0 --batch-size 100 --device cpu -o {tmp_path / 'r'}".split()
    process = subprocess.Popen(
        [*FEEDRATE, *words],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # what a shell runs in the background ignores Ctrl-C, and hands that on
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    record = tmp_path / "r" / "run.json"
    while time.monotonic() < deadline and not (record.exists() and json.loads(record.read_text())["trials"]):
        time.sleep(0.05)
    time.sleep(1.0)  # well within the other trial, whichever that is
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "keeps 1 trial(s); --resume continues" in said
    assert len(json.loads(record.read_text())["trials"]) == 1
    done = _feedrate(*words, "--resume")
    assert done.returncode == 0, done.stderr
    assert "1 trial(s) exist already" in done.stderr
    assert [trial["status"] for trial in json.loads(record.read_text())["trials"]] == ["ok", "ok"]


def test_check_passes_a_right_loader_and_fails_a_wrong_one(tmp_path: Path) -> None:
    good = _feedrate("check", "cupy", "--rows", 2100)
    assert (good.returncode, good.stdout.splitlines()[-1]) == (0, "every rule holds or is declared as a deviation")
    bad = _feedrate("check", "fake:drop_rows=1", "--rows", 2100)
    assert bad.returncode == 1
    assert "failed   every_row_once" in bad.stdout


def test_check_finds_a_loader_in_the_current_folder(tmp_path: Path) -> None:
    code = "from feedrate.loaders.native_batched import NativeBatchedLoader as Mine\n"
    (tmp_path / "mine.py").write_text(code)
    done = _feedrate("check", "mine:Mine", "--rows", 2100, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_list_and_doctor_name_every_loader() -> None:
    for command in ("list", "doctor"):
        done = _feedrate(command)
        assert done.returncode == 0, done.stderr
        for name in ("native", "native-batched", "nvtabular", "cupy", "replay"):
            assert name in done.stdout
        assert "planted" not in done.stdout


def test_prepare_says_what_it_made_and_does_it_once(tmp_path: Path) -> None:
    words = ("prepare", "synthetic-movielens", "--rows", 2000, "-o", tmp_path / "d", "--if-missing")
    first = _feedrate(*words)
    assert first.returncode == 0, first.stderr
    assert "1,600 rows" in first.stdout
    assert "best reachable AUC" in first.stdout
    written_at = (tmp_path / "d" / "dataset.json").stat().st_mtime_ns
    assert _feedrate(*words).returncode == 0
    assert (tmp_path / "d" / "dataset.json").stat().st_mtime_ns == written_at
    second = _feedrate("prepare", "synthetic-movielens", "--rows", 3000, "-o", tmp_path / "d", "--if-missing")
    assert second.returncode == 2
    assert "was made otherwise (rows was 2000 and is now 3000): pass --overwrite" in second.stderr
    finer = _feedrate(*words, "--row-group-rows", 500)
    assert finer.returncode == 2
    assert "row_group_rows was 262144 and is now 500" in finer.stderr


def test_inferred_kinds_are_shown_and_want_a_yes(small: Dataset, tmp_path: Path) -> None:
    words = ("prepare", "parquet", small.folder / "train", "--label", "rating", "-o", tmp_path / "d")
    answer = _feedrate(*words)
    assert answer.returncode == 2
    assert "pass --yes to accept them" in answer.stderr
    assert "multi-hot" in answer.stderr
    assert not (tmp_path / "d").exists()
    assert _feedrate(*words, "--yes").returncode == 0


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['feedrate', '--help']\n"
        "from feedrate.bench.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'pyarrow', 'polars', 'scipy', 'msgspec'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    for command in ("prepare", "run", "report", "check", "list", "doctor"):
        assert command in done.stdout


def test_compare_judges_runs_and_refuses_those_that_differ(run: Path) -> None:
    done = _feedrate("compare", f"{run}@cupy", run, "--fail-if", "rows_per_s<-5%")
    assert done.returncode == 2
    assert "have no loader and metric in common" in done.stderr
    same = _feedrate("compare", run, run, "--fail-if", "rows_per_s<-5%", "--all")
    assert same.returncode == 0, same.stderr
    verdicts = "".join(line for line in same.stdout.splitlines() if "+0.0" in line)  # others compare the run's loaders
    assert not any(word in verdicts for word in ("faster", "slower"))
    assert "same" in verdicts or "undecided" in verdicts  # a noisy machine's interval tells neither
    content = json.loads((run / "run.json").read_text())
    second = run.parent / "other" / "run.json"
    second.parent.mkdir()
    refused = dict(content, environment={**content["environment"], "gpu": "Another"})
    second.write_text(json.dumps(refused))
    done = _feedrate("compare", run, second)
    assert done.returncode == 0
    assert "differs: GPU (none and Another)" in done.stdout
    gated = _feedrate("compare", run, second, "--fail-if", "rows_per_s<-5%")
    assert gated.returncode == 2
    assert "must not be compared, because they differ in: GPU (none and Another)" in gated.stderr


def test_calibrate_says_what_a_step_costs() -> None:
    done = _feedrate("calibrate", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "feedrate itself costs" in done.stdout


def test_a_loader_in_the_current_folder_is_run_and_one_that_lacks_its_library_is_no_success(
    small: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "from feedrate.loaders.cupy import ADAPTER, CupyOptions\n"
        "def Mine(split, config): return ADAPTER.open(split, config, CupyOptions())\n"
    )
    (tmp_path / "lacking.py").write_text("import no_such_library\n")
    words = f"--modes load --epochs 1 --repeats 1 --seeds 0 --batch-size 512 --device cpu -o {tmp_path / 'r'} --overwrite".split()
    done = _feedrate("run", small.folder, "--loaders", "mine:Mine", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mine:Mine" in done.stdout
    done = _feedrate("run", small.folder, "--loaders", "lacking:Mine", *words, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "no_such_library" in done.stdout


@pytest.mark.parametrize("device", ["foo", "cuda:99"])
def test_a_device_that_is_not_there_breaks_no_rule(device: str) -> None:
    done = _feedrate("check", "native-batched", "--device", device)
    assert done.returncode == 2
    assert f"--device is '{device}', but" in done.stderr


def test_a_seed_below_zero_is_refused(tmp_path: Path) -> None:
    done = _feedrate("prepare", "synthetic-movielens", "--rows", "2000", "--seed", "-1", "-o", str(tmp_path / "d"))
    assert done.returncode == 2
    assert "--seed is -1, but must be at least 0" in done.stderr


def test_version_is_the_same_however_it_is_asked_for() -> None:
    said = {
        subprocess.run([sys.executable, "-m", "feedrate", *words], capture_output=True, text=True, check=True).stdout
        for words in (["--version"], ["version"])
    }
    assert len(said) == 1
    assert said.pop().strip() == __version__


def test_without_a_command_the_help_is_shown() -> None:
    done = _feedrate()
    assert done.returncode == 2
    assert "Commands:" in done.stdout
