"""A format is written once for a split and its settings, whole or not at all, and its cost is kept."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.loaders.base import Categorical, Schema, Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.toolkit import preparation_of, prepared_folder
from feedrate.loaders.toolkit.preparation import _temporary, remove_temporary

SCHEMA = Schema(single_hot=(Categorical(name="user", cardinality=7),), label="label")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    _temporary.cache_clear()
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for split in ("train", "valid"):
        (folder / split).mkdir(parents=True)
        (folder / split / "part-0.parquet").write_bytes(b"rows of " + split.encode())
    (folder / "dataset.json").write_text("{}")
    return folder


def split_of(dataset: Path, name: str = "train") -> Split:
    return Split(files=(dataset / name / "part-0.parquet",), rows=1, schema=SCHEMA)


class Writer:
    """Copies the split's file, and counts how often it is called."""

    def __init__(self, split: Split) -> None:
        self.split, self.calls = split, 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        assert list(folder.iterdir()) == []
        (folder / "inner").mkdir()
        shutil.copy(self.split.files[0], folder / "inner" / "rows")


def test_a_split_is_written_beside_the_dataset_and_found_afterwards(dataset: Path) -> None:
    split = split_of(dataset)
    write = Writer(split)
    folder = prepared_folder(split, "copied", {"rows": 5}, write)
    assert folder.name == "train"
    assert folder.parents[1] == dataset / "formats"
    assert (folder / "inner" / "rows").read_bytes() == b"rows of train"
    assert prepared_folder(split, "copied", {"rows": 5}, write) == folder
    assert write.calls == 1
    assert [path.name for path in (dataset / "formats").iterdir()] == [folder.parent.name]


def test_another_split_setting_format_or_schema_has_a_folder_of_its_own(dataset: Path) -> None:
    train, valid = split_of(dataset), split_of(dataset, "valid")
    folders = {
        prepared_folder(train, "copied", {"rows": 5}, Writer(train)),
        prepared_folder(train, "copied", {"rows": 6}, Writer(train)),
        prepared_folder(train, "mapped", {"rows": 5}, Writer(train)),
        prepared_folder(replace(train, schema=Schema(label="label")), "copied", {"rows": 5}, Writer(train)),
        prepared_folder(valid, "copied", {"rows": 5}, Writer(valid)),
    }
    assert len(folders) == 5
    assert (
        prepared_folder(valid, "copied", {"rows": 5}, Writer(valid)) / "inner" / "rows"
    ).read_bytes() == b"rows of valid"


def test_a_format_of_files_that_have_changed_is_not_used(dataset: Path) -> None:
    split = split_of(dataset)
    before = prepared_folder(split, "copied", {}, Writer(split))
    split.files[0].write_bytes(b"ROWS OF TRAIN")  # as many bytes, and a later time
    os.utime(split.files[0], ns=(1, split.files[0].stat().st_mtime_ns + 1))
    after = prepared_folder(split, "copied", {}, Writer(split))
    assert after != before
    assert (after / "inner" / "rows").read_bytes() == b"ROWS OF TRAIN"


def test_the_record_has_the_time_and_the_size(dataset: Path) -> None:
    def write(folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "a").write_bytes(b"x" * 1000)
        (folder / "deep" / "b").write_bytes(b"x" * 234)
        end = os.times().user + 0.05
        while os.times().user < end:
            pass

    cost = preparation_of(prepared_folder(split_of(dataset), "sized", {}, write))
    assert cost.bytes == 1234
    assert cost.cpu_seconds >= 0.04
    assert cost.seconds >= 0.04


def test_a_record_that_cannot_be_read_is_reported_with_the_way_out(dataset: Path) -> None:
    folder = prepared_folder(split_of(dataset), "copied", {}, Writer(split_of(dataset)))
    (folder.parent / "preparation.json").write_text("{")
    with pytest.raises(FeedrateError, match=r"preparation\.json cannot be read .*: remove .*, and it is written again"):
        preparation_of(folder)


def test_after_an_error_nothing_stays_and_the_next_call_writes(dataset: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise RuntimeError("disk full")

    split = split_of(dataset)
    with pytest.raises(RuntimeError, match="disk full"):
        prepared_folder(split, "copied", {}, fail)
    assert list((dataset / "formats").iterdir()) == []
    assert (prepared_folder(split, "copied", {}, Writer(split)) / "inner" / "rows").is_file()


def test_what_a_killed_process_left_is_never_used_and_removed_by_the_next(dataset: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from feedrate.loaders.base import Schema, Split, Categorical
from feedrate.loaders.toolkit import prepared_folder
def write(folder):
    (folder / "inner").mkdir()
    (folder / "inner" / "half").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)
split = Split(files=(Path({str(dataset)!r}) / "train" / "part-0.parquet",), rows=1, schema={SCHEMA!r})
prepared_folder(split, "copied", {{}}, write)
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(list((dataset / "formats").iterdir())) == 1
    split = split_of(dataset)
    folder = prepared_folder(split, "copied", {}, Writer(split))
    assert [path.name for path in (folder / "inner").iterdir()] == ["rows"]
    assert list((dataset / "formats").iterdir()) == [folder.parent]


def test_callers_that_come_at_the_same_time_write_once(dataset: Path) -> None:
    split, began, go_on = split_of(dataset), threading.Event(), threading.Event()
    calls: list[Path] = []
    folders: list[Path] = []

    def write(folder: Path) -> None:
        calls.append(folder)
        began.set()
        go_on.wait(10)
        (folder / "rows").write_text("x")

    def prepare() -> None:
        folders.append(prepared_folder(split, "copied", {}, write))

    threads = [threading.Thread(target=prepare) for _ in range(4)]
    threads[0].start()
    assert began.wait(10)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(calls) == 1
    assert len(folders) == 4
    assert len(set(folders)) == 1


def test_a_caller_whom_another_overtakes_before_its_lock_writes_nothing(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split, mkdir, overtaken = split_of(dataset), Path.mkdir, []
    first, second = Writer(split), Writer(split)

    def overtaken_mkdir(path: Path, *arguments: object, **settings: object) -> None:
        if path.name.endswith(".partial") and not overtaken:
            overtaken.append(path)
            prepared_folder(split, "copied", {}, first)
        mkdir(path, *arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", overtaken_mkdir)
    folder = prepared_folder(split, "copied", {}, second)
    assert (first.calls, second.calls) == (1, 0)
    assert (folder / "inner" / "rows").read_bytes() == b"rows of train"
    assert not overtaken[0].exists()


def test_a_dataset_that_cannot_be_written_gets_a_temporary_folder(dataset: Path, temporary: Path) -> None:
    split = split_of(dataset)
    write = Writer(split)
    (dataset / "formats").write_text("no folder can be made here, not even by root")
    folder = prepared_folder(split, "copied", {}, write)
    assert folder.is_relative_to(temporary)
    assert prepared_folder(split, "copied", {}, write) == folder
    assert write.calls == 1


def test_a_format_of_a_dataset_that_became_read_only_is_found(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = split_of(dataset)
    write = Writer(split)
    folder = prepared_folder(split, "copied", {}, write)
    monkeypatch.setattr("feedrate.loaders.toolkit.preparation._is_writable", lambda _formats: False)
    assert prepared_folder(split, "copied", {}, write) == folder
    assert write.calls == 1


def test_a_dataset_that_cannot_be_locked_gets_a_temporary_folder(
    dataset: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def flock(descriptor: int, kind: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(dataset)):
            raise OSError("no locks here")
        lock(descriptor, kind)

    monkeypatch.setattr("fcntl.flock", flock)
    split = split_of(dataset)
    assert prepared_folder(split, "copied", {}, Writer(split)).is_relative_to(temporary)


def test_files_outside_of_a_prepared_dataset_are_left_alone(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "own" / "train").mkdir(parents=True)
    (tmp_path / "own" / "train" / "part-0.parquet").write_bytes(b"own rows")
    split = split_of(tmp_path / "own")
    write = Writer(split)
    folder = prepared_folder(split, "copied", {}, write)
    assert folder.is_relative_to(temporary)
    assert prepared_folder(split, "copied", {}, write) == folder
    assert write.calls == 1
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == ["train"]


def test_a_process_can_remove_what_it_wrote_outside_of_datasets(tmp_path: Path, temporary: Path) -> None:
    remove_temporary()  # there is nothing yet
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "part-0.parquet").write_bytes(b"own rows")
    split = Split(files=(tmp_path / "own" / "part-0.parquet",), rows=1, schema=SCHEMA)
    prepared_folder(split, "copied", {}, Writer(split))
    remove_temporary()
    assert list(temporary.iterdir()) == []
    assert (prepared_folder(split, "copied", {}, Writer(split)) / "inner" / "rows").is_file()
