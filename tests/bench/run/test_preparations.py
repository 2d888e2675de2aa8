"""A loader's own format is written once, before its first trial, by a process of its own."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run import loader_lookup
from feedrate.bench.run.preparations import Preparations
from feedrate.bench.run.suite import run_suite
from feedrate.bench.trial import own_formats
from feedrate.bench.trial.context import TrialContext

LOADER = "copied:ADAPTER"
SPEC = TrialSpec(loader=LOADER, mode="load", repeat=0, seed=0, batch_size=512, epochs=1, device="cpu")
MODULE = """
import dataclasses, os, shutil
from pathlib import Path
from feedrate.loaders import registry
from feedrate.loaders.base import Adapter, NoOptions
from feedrate.loaders.toolkit import prepared_folder

LOG = Path("writers.txt")

def prepare(split, config, options):
    def write(folder):
        with LOG.open("a") as log:
            log.write(f"{split.files[0].parent.name} {os.getpid()}\\n")
        if Path("fail").exists():
            raise OSError("disk full")
        for file in split.files:
            shutil.copy(file, folder)
    return prepared_folder(split, "copied", {}, write)

def open_loader(split, config, options):
    folder = prepare(split, config, options)
    assert str(os.getpid()) not in LOG.read_text().split(), "the trial wrote its format itself"
    files = tuple(folder / file.name for file in split.files)
    return registry.choose("fake").open(dataclasses.replace(split, files=files), config)

ADAPTER = Adapter(open=open_loader, options=NoOptions, backend=lambda device: "copied", prepare=prepare)
"""


@pytest.fixture
def data(small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A dataset of the test's own, beside the module of a loader that reads copies."""
    folder = tmp_path / "data"
    shutil.copytree(small.folder, folder)
    (tmp_path / "copied.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(loader_lookup, "_ANSWERS", {})
    return read_dataset(folder)


def writers() -> list[str]:
    return [line.split()[0] for line in Path("writers.txt").read_text().splitlines()]


def test_the_format_is_written_before_the_first_trial_and_its_cost_is_recorded(data: Dataset) -> None:
    [result] = run_suite([SPEC], data.folder)
    assert (result.status, result.detail) == ("ok", "")
    assert writers() == ["train", "valid"]
    records = [json.loads(path.read_text()) for path in (data.folder / "formats").glob("*/preparation.json")]
    copied = sum(file.stat().st_size for name in ("train", "valid") for file in data.split(name).files)  # type: ignore[arg-type]
    assert sum(record["bytes"] for record in records) == copied
    assert result.preparation_bytes == copied
    assert result.preparation_s == pytest.approx(sum(record["seconds"] for record in records))
    next_run = Preparations(data.folder, timeout_s=60, progress=lambda _spec: lambda *_step: None)
    assert next_run.before(sys.executable, SPEC)[0] is None
    assert writers() == ["train", "valid"]


def test_a_failed_preparation_fails_the_trials_and_is_not_repeated(data: Dataset, tmp_path: Path) -> None:
    Path("fail").touch()
    results = list(run_suite([SPEC, replace(SPEC, repeat=1)], data.folder, logs=tmp_path / "logs"))
    sentence = "the preparation of its format failed: OSError: disk full"
    assert [result.status for result in results] == ["failed"] * 2
    assert all(result.detail.startswith(sentence) for result in results), results
    assert [result.spec.repeat for result in results] == [0, 1]
    assert writers() == ["train"]
    assert "disk full" in next((tmp_path / "logs").iterdir()).read_text()


def test_a_loader_that_reads_parquet_starts_no_process(small: Dataset) -> None:
    preparations = Preparations(small.folder, timeout_s=60, progress=lambda _spec: lambda *_step: None)
    spec = replace(SPEC, loader="fake")
    assert preparations.before("/no/such/python", spec) == (None, b"")
    assert not (small.folder / "formats").exists()


def test_the_page_cache_is_made_for_the_files_that_the_loader_reads(data: Dataset) -> None:
    context = TrialContext.of(SPEC, data, lambda *_step: None)
    assert context.formats is not None
    assert [file.name for file in context.train_files] == [file.name for file in data.split("train").files]
    assert all(file.is_relative_to(data.folder / "formats") for file in context.train_files)
    parquet = TrialContext.of(replace(SPEC, loader="fake"), data, lambda *_step: None)
    assert parquet.train_files == data.split("train").files


def test_only_a_working_preparation_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_formats, "LIFE_S", 0.05)
    monkeypatch.setattr(own_formats, "MIN_CPU_S", 0.001)
    reports: list[int] = []
    with own_formats._signs_of_life(lambda: reports.append(1)):
        end = time.process_time() + 30  # a busy machine may not wake the other thread for seconds
        while not reports and time.process_time() < end:
            pass
    assert reports
    reports.clear()
    monkeypatch.setattr(own_formats, "MIN_CPU_S", 10.0)
    with own_formats._signs_of_life(lambda: reports.append(1)):
        time.sleep(0.2)
    assert not reports
