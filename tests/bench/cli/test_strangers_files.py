"""Records, profiles, datasets and zips from strangers: one printable sentence of at most 300 characters, and nothing written."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feedrate.bench.cli.app import main
from feedrate.bench.datasets.canonical import Dataset
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats.numbers import write_csv
from tests.samples.processes.command import FEEDRATE
from tests.samples.sample_record import RUN

Make = Callable[[Path], object]
BAD_FILES: dict[str, Make] = {
    "a pipe": os.mkfifo,
    "a link to a device": lambda file: file.symlink_to("/dev/zero"),
    "a link to itself": lambda file: file.symlink_to(file),
    "a folder": lambda file: file.mkdir(),
    "three gigabytes of nothing": lambda file: os.truncate(os.open(file, os.O_CREAT | os.O_WRONLY), 3 << 30),
    "empty": lambda file: file.touch(),
    "no UTF-8": lambda file: file.write_bytes(b'{"name": "\xff\xfe"}'),
    "deep": lambda file: file.write_bytes(b"[" * 1_000_000),
    "deep within": lambda file: file.write_bytes(b'{"schema_version": 2, "x": ' + b'{"a":' * 100_000),
    "a long string": lambda file: file.write_bytes(b'{"schema_version": "' + b"x" * 10_000_000 + b'"}'),
    "escape sequences": lambda file: file.write_text('{"schema_version": "\\u001b[2J\\u202e\\u200b"}'),
    "a list": lambda file: file.write_text("[1, 2]"),
    "a huge number": lambda file: file.write_text('{"schema_version": 1' + "0" * 4000 + "}"),
    "a negative version": lambda file: file.write_text('{"schema_version": 1e999}'),
}


def feedrate(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int | str | None, str, str]:
    """Run a command in this process. Return its exit code and what it printed."""
    monkeypatch.setattr(sys, "argv", ["feedrate", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("run.json", "report {folder}"),
        ("run.json", "compare {folder} {folder}"),
        ("run.json", "validate {folder}"),
        ("profile.json", "explain {folder}/profile.json"),
        ("dataset.json", "run {folder} -o {folder}/new --loaders native"),
    ],
)
@pytest.mark.parametrize("make", BAD_FILES.values(), ids=list(BAD_FILES))
def test_a_strange_file_is_refused_in_a_sentence(
    name: str,
    words: str,
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path / name)
    code, out, said = feedrate(words.format(folder=tmp_path), monkeypatch, capsys)
    assert code == 2
    [line] = (said or out).splitlines()
    assert name in line
    assert len(line) <= 310
    assert line.isprintable()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("name", "value"), [("cores", 10**400), ("cores", 0), ("steps", 2**63), ("rows", -1)])
def test_a_profile_with_impossible_counts_is_refused(
    name: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    published = Path(__file__).parents[3] / "reports/published/h100-2026-11-25/train/cupy/profile.json.gz"
    profile = json.loads(gzip.decompress(published.read_bytes())) | {name: value}
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    code, _, said = feedrate(f"explain {tmp_path}", monkeypatch, capsys)
    assert code == 2
    assert "profile.json is not a profile" in said
    assert said.count("\n") == 1


def test_a_file_over_the_memory_that_is_left_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "run.json").open("wb") as file:
        file.truncate(1_900_000_000)
    limit = (1_500_000_000, 1_500_000_000)
    ended = subprocess.run(
        [*FEEDRATE, "report", str(tmp_path)], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr == "feedrate: the memory does not suffice: give the command more, or smaller files\n"


def test_a_damaged_gzip_and_a_bomb_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json.gz").write_bytes(gzip.compress(b"{" + b" " * 300_000_000, 1))
    assert "decompresses to more than 200 MB" in feedrate(f"report {tmp_path}", monkeypatch, capsys)[2]
    (tmp_path / "run.json.gz").write_bytes(gzip.compress(b"{}")[:-5])
    assert "its gzip data is damaged" in feedrate(f"report {tmp_path}", monkeypatch, capsys)[2]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda info: info["schema"]["single_hot"][0].update(cardinality=10**12), "has cardinality 1000000000000, but"),
        (lambda info: info["schema"]["single_hot"][0].update(cardinality=-1), "has cardinality -1, but must have 1 to"),
        (lambda info: info["splits"]["train"].update(rows=-5), "cannot be read (Expected `int` >= 0"),
        (lambda info: info["splits"]["train"].update(rows=10**30), "cannot be read ("),
        (lambda info: info["splits"]["train"].update(files=["../../etc/passwd"]), "cannot be read (Expected `str`"),
        (lambda info: info["splits"]["train"].update(files=[".."]), "is missing, though dataset.json lists it"),
        (lambda info: info["schema"].update(label="userId"), "columns contains duplicates: userId, userId"),
    ],
)
def test_a_dataset_with_impossible_numbers_or_names_is_refused(
    change: Callable[[dict[str, Any]], None],
    sentence: str,
    small: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = shutil.copytree(small.folder, tmp_path / "data")
    info = json.loads((data / "dataset.json").read_text())
    change(info)
    (data / "dataset.json").write_text(json.dumps(info))
    code, _, said = feedrate(f"run {data} -o {tmp_path}/new --loaders native", monkeypatch, capsys)
    assert code == 2
    assert sentence in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("compression", "content", "sentence"),
    [
        (zipfile.ZIP_DEFLATED, b"0" * 200_000_000, "to 200,000,000 bytes: that is no file of ratings"),
        (zipfile.ZIP_LZMA, b"userId,movieId,rating,timestamp\n", "which is neither stored nor deflated"),
    ],
    ids=["bomb", "lzma"],
)
def test_a_zip_that_would_fill_disk_or_memory_is_not_unpacked(
    compression: int,
    content: bytes,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", compression) as archive:
        archive.writestr("ml/ratings.csv", content)
        archive.writestr("ml/movies.csv", b"movieId,title,genres\n")
    words = f"prepare movielens-latest --archive {tmp_path}/a.zip -o {tmp_path}/d"
    code, _, said = feedrate(words, monkeypatch, capsys)
    assert code == 2
    assert sentence in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_a_csv_is_a_formula(start: str) -> None:
    formula = start + 'HYPERLINK("https://example.org")'
    trials = tuple(replace(trial, spec=replace(trial.spec, loader=formula)) for trial in RUN.trials)
    rows = list(csv.DictReader(io.StringIO(write_csv(summarize([(Path("run"), replace(RUN, trials=trials))])))))
    assert rows
    for row in rows:
        assert not any(str(cell).startswith(("=", "+", "@", "\t", "\r")) for cell in row.values())
        assert not any(cell.startswith("-") and not cell[1:2].isdigit() for cell in row.values())
        assert f"'{formula}" in row.values()
