"""Several commands that write to one folder at the same time: one works, the others say who holds it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.host.lifecycle.folder_lock import only_writer
from tests.samples.processes.command import start, trials, wait_until

RUN = "--modes load --epochs 1 --repeats 1 --seeds 0 --batch-size 100 --device cpu".split()


@pytest.mark.parametrize(
    ("words", "replaced"),
    [
        ("run {data} --loaders native -o {folder}", False),
        ("run {data} --loaders native -o {folder} --overwrite", False),
        ("profile native {data} --device cpu -o {folder}", False),
        ("site {data} -o {folder}", False),
        ("prepare synthetic-movielens --rows 2000 -o {folder}", True),
        ("prepare parquet {data}/train --label rating --yes -o {folder}", True),
    ],
)
def test_a_command_names_the_process_that_writes_to_its_folder(
    words: str, replaced: bool, small: Dataset, tmp_path: Path
) -> None:
    with only_writer(tmp_path / "x", replaced=replaced):
        command = start(*words.format(data=small.folder, folder=tmp_path / "x").split())
        _, said = command.communicate()
    assert command.returncode == 2
    assert f"x is being written to by process {os.getpid()} (`feedrate" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_second_run_in_the_folder_is_refused_and_nothing_is_lost(small: Dataset, tmp_path: Path) -> None:
    words = ("run", small.folder, "--loaders", "fake:delay_s=0.05,fake:delay_s=0.06", *RUN, "-o", tmp_path / "r")
    first = start(*words)
    wait_until(lambda: trials(tmp_path / "r"))
    for option in ("--resume", "--overwrite"):
        _, said = (second := start(*words, option)).communicate()
        assert second.returncode == 2, said
        sentence = rf"feedrate: \S+/r is being written to by process {first.pid} \(`feedrate run .*: wait until it ends"
        assert re.search(sentence, said), said
    _, said = first.communicate()
    assert first.returncode == 0, said
    assert [trial["status"] for trial in trials(tmp_path / "r")] == ["ok", "ok"]
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["report.html", "run.json"]


@pytest.mark.slow
def test_the_record_may_have_a_name_of_its_own(small: Dataset, tmp_path: Path) -> None:
    words = ("run", small.folder, "--loaders", "fake", *RUN, "-o", tmp_path / "mine.json")
    for option in ("--overwrite", "--resume"):
        _, said = (run := start(*words, option)).communicate()
        assert run.returncode == 0, said
    assert len(json.loads((tmp_path / "mine.json").read_bytes())["trials"]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.json", "report.html"]


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 5])
def test_of_runs_that_start_at_once_one_works_and_the_others_name_it(
    count: int, small: Dataset, tmp_path: Path
) -> None:
    """The one that works has a trial of minutes, so that it holds the folder until the others have ended."""
    words = ("run", small.folder, "--loaders", "fake:delay_s=5", *RUN, "-o", tmp_path / "r")
    runs = [start(*words) for _ in range(count)]
    wait_until(lambda: sum(run.poll() is None for run in runs) == 1)
    [first] = [run for run in runs if run.poll() is None]
    holder = f"feedrate: {tmp_path}/r is being written to by process {first.pid} (`feedrate run "
    for run in runs:
        if run is not first:
            said = run.communicate()[1]
            assert (run.returncode, said[: len(holder)]) == (2, holder)
    wait_until((tmp_path / "r" / "run.json").exists)
    first.terminate()
    assert f"{tmp_path}/r keeps 0 trial(s); --resume continues" in first.communicate()[1]


@pytest.mark.slow
def test_a_run_that_waits_starts_after_the_other_and_finds_nothing_left_to_do(small: Dataset, tmp_path: Path) -> None:
    words = ("run", small.folder, "--loaders", "fake:delay_s=0.05", *RUN, "-o", tmp_path / "r", "--resume", "--wait")
    first = start(*words)
    wait_until(lambda: (tmp_path / "r" / "run.json").exists())
    second = start(*words)
    said = second.communicate()[1]
    assert (first.wait(), second.returncode) == (0, 0), said
    assert f"waiting for process {first.pid} " in said
    assert "1 trial(s) exist already" in said
    first.communicate()


@pytest.mark.slow
def test_of_two_preparations_one_works(tmp_path: Path) -> None:
    words = ("prepare", "synthetic-movielens", "--rows", 400_000, "-o", tmp_path / "d")
    first = start(*words)
    wait_until(lambda: (tmp_path / ".d.lock").exists())
    second = start(*words, "--overwrite")
    said = second.communicate()[1]
    assert second.returncode == 2
    assert f"d is being written to by process {first.pid} (`feedrate prepare" in said
    assert first.communicate() is not None
    assert first.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
