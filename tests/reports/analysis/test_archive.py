"""Records that are gzipped, beside plain ones: found, named and read by everything that reads records."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import feedrate
from feedrate.bench.cli.app import app
from feedrate.bench.results import store
from feedrate.bench.results.profiles import files
from feedrate.bench.results.profiles.record import Profile
from feedrate.bench.results.record import EpochRecord
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis import archive
from feedrate.reports.analysis.history import history
from feedrate.reports.analysis.run_comparison import read_side
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats.site import build
from tests.samples.sample_record import RUN, record, trial


def _compress(file: Path) -> Path:
    """Replace a file by its gzipped form."""
    gzipped = file.with_name(f"{file.name}.gz")
    gzipped.write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    file.unlink()
    return gzipped


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with the runs `plain` and, gzipped, `small/zipped`."""
    folder = tmp_path / "runs"
    store.write(folder / "plain", RUN)
    store.write(folder / "small" / "zipped", replace(RUN, baseline="slow"))
    _compress(folder / "small" / "zipped" / "run.json")
    return folder


def _run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_plain_and_gzipped_records_are_found_once_each(runs: Path) -> None:
    zipped = runs / "small" / "zipped" / "run.json.gz"
    assert archive.find(runs) == [runs / "plain" / "run.json", zipped]
    assert archive.find(zipped) == [zipped]
    store.write(zipped.with_name("run.json"), RUN)
    assert archive.find(runs) == [runs / "plain" / "run.json", zipped.with_name("run.json")]


def test_a_damaged_gzip_is_left_out_and_named(runs: Path) -> None:
    zipped = runs / "small" / "zipped" / "run.json.gz"
    zipped.write_bytes(zipped.read_bytes()[:-20])
    warnings: list[str] = []
    assert [path.parent.name for path, _ in archive.read(archive.find(runs), warnings.append)] == ["plain"]
    [warning] = warnings
    assert str(zipped) in warning


def test_a_run_is_named_after_its_folder_however_it_is_stored(runs: Path) -> None:
    zipped = runs / "small" / "zipped"
    for path in (zipped, zipped / "run.json.gz"):
        assert [name for name, _ in summarize([(path, store.read(path))]).runs] == ["zipped"]


def test_history_and_site_count_gzipped_records(runs: Path, tmp_path: Path) -> None:
    warnings: list[str] = []
    assert history(runs, warnings.append).runs == 2
    assert build(runs, tmp_path / "site", warnings.append) == 3  # of the place and of two loaders
    assert warnings == []


def test_commands_give_the_same_for_a_gzipped_run(runs: Path, tmp_path: Path) -> None:
    folder = runs / "small" / "zipped"
    plain = tmp_path / "zipped"
    store.write(plain, store.read(folder))
    for arguments in (
        ("report", "--format", "json"),
        ("report", "--format", "csv"),
        ("report", "--format", "markdown"),
    ):
        assert _run(*arguments, folder) == _run(*arguments, folder / "run.json.gz") == _run(*arguments, plain)
    _run("report", folder / "run.json.gz")
    assert (folder / "report.html").is_file()
    assert _run("compare", f"{folder}@slow", f"{folder / 'run.json.gz'}@fast")
    assert read_side(f"{folder / 'run.json.gz'}@slow").record == read_side(f"{plain}@slow").record
    faults = CliRunner().invoke(app, ["validate", str(folder)])
    by_name = CliRunner().invoke(app, ["validate", str(folder / "run.json.gz")])
    assert (faults.exit_code, faults.stdout) == (by_name.exit_code, by_name.stdout)


def test_feedrate_load_reads_gzipped_records(runs: Path) -> None:
    pytest.importorskip("pandas")
    folder = runs / "small" / "zipped"
    plain = feedrate.load(runs / "plain")
    for path in (folder, folder / "run.json.gz"):
        assert feedrate.load(path)["train_rows_per_s"].equals(plain["train_rows_per_s"])


PROFILE = Profile(
    spec=trial("fast", "train", 800).spec, profiler="torch", version="1", steps=10, rows=1000, window_s=1.0, cores=2,
    epoch=EpochRecord(rows=1000, wall_s=1.0, wait_s=0.1, wait_cpu_s=0.05, wait_others_cpu_s=0.0, stall_s=0.1, gap_s=0.0, cpu_s=1.0),
    kernel_busy_fraction=None, device_busy_fraction=None, ranges=(), launches_per_step=None,
)  # fmt: skip


def test_gzipped_profiles_are_explained_with_their_gzipped_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "fast").mkdir(parents=True)
    store.write(folder, record(trial("fast", "train", 800)))
    files.write(folder / "fast", PROFILE)
    before = list(files.explained(folder))
    _compress(folder / "run.json")
    profile = _compress(folder / "fast" / "profile.json")
    assert len(before) == 1
    assert list(files.explained(folder)) == before
    assert files.read(profile) == files.read(profile.parent) == PROFILE
    assert _run("explain", folder) == _run("explain", folder / "fast" / "profile.json.gz")
    files.write(folder / "fast", replace(PROFILE, steps=20))
    assert [profile.steps for profile in files.find(folder)] == [20]


def test_a_damaged_gzipped_profile_is_one_sentence_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "profile.json.gz").write_bytes(b"not gzip")
    with pytest.raises(FeedrateError, match=r"profile\.json\.gz is not a profile"):
        files.read(tmp_path)
