"""Tables and ratings from strangers: what would cost minutes or gigabytes is refused in a sentence, and names are shown escaped."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.bench.cli.test_strangers_files import feedrate
from tests.samples.movielens import random_ratings, write_csv

ROWS = "".join(f"{row % 2},{row}\n" for row in range(9))
BOMB_LINES = 30_000_000


def wide_csv(folder: Path) -> None:
    (folder / "a.csv").write_text(",".join(["label", *(f"c{number}" for number in range(20_000))]) + "\n")


def wide_parquet(folder: Path) -> None:
    table = pa.table({"label": [0, 1], **{f"c{number}": pa.nulls(2, pa.int8()) for number in range(10_000)}})
    pq.write_table(table, folder / "a.parquet")


def long_name(folder: Path) -> None:
    pq.write_table(pa.table({"label": [0, 1], "x" * 1_001: [1, 2]}), folder / "a.parquet")


def csv_bomb(folder: Path) -> None:
    packed = gzip.compress(b"label,x\n" + b"0,1\n" * BOMB_LINES, 1)
    (folder / "a.csv.gz").write_bytes(packed)


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (wide_csv, "a.csv has 20,001 columns, and the limit is 10,000: write fewer"),
        (wide_parquet, "a.parquet has 10,001 columns, and the limit is 10,000: write fewer"),
        (long_name, "a column whose name has 1,001 characters, and the limit is 1,000: rename 'xxxx"),
        (csv_bomb, "bytes, which no usual table does: unpack it yourself if it is right"),
        (
            lambda folder: (folder / "a.csv").write_text(f"label,{'x' * 200_000}\n"),
            "a.csv has a first line that is not CSV: field larger than field limit",
        ),
    ],
    ids=["columns of CSV", "columns of Parquet", "a long name", "a bomb", "a long field"],
)
def test_a_table_that_costs_too_much_is_refused(
    write: Callable[[Path], object],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path)
    [file] = tmp_path.iterdir()
    code, _, said = feedrate(f"prepare csv {file} --label label --yes -o {tmp_path}/out", monkeypatch, capsys)
    assert code == 2
    assert sentence in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "\u202eevil\u202c", "zero\u200bwidth", "\u2028line", "\rb"])
@pytest.mark.parametrize("missing", [True, False], ids=["refused", "written"])
def test_a_column_s_name_is_shown_escaped(
    name: str, missing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {"label": [0, 1] * 9, "a": [None if missing else 1, *range(17)], name: [None if missing else 1, *range(17)]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    words = f"prepare parquet {tmp_path}/a.parquet --label label --yes -o {tmp_path}/out"
    code, out, said = feedrate(words, monkeypatch, capsys)
    assert code == (2 if missing else None)
    shown = name.encode("unicode_escape").decode()
    assert shown in (said if missing else out)
    for line in [*out.split("\n"), *said.split("\n")]:
        assert line.isprintable()


def test_a_pipe_in_a_folder_of_ratings_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_csv(tmp_path / "ml", random_ratings(50))
    (folder / "ratings.csv").unlink()
    os.mkfifo(folder / "ratings.csv")
    code, _, said = feedrate(f"prepare movielens-latest --archive {folder} -o {tmp_path}/out", monkeypatch, capsys)
    assert code == 2
    assert "has no ratings*.csv" in said
    words = f"prepare movielens-latest --archive {folder}/ratings.csv -o {tmp_path}/out"
    assert "is neither a file nor a folder" in feedrate(words, monkeypatch, capsys)[2]


@pytest.mark.parametrize("name", ["ratings.csv.gz", "movies.csv.gz"])
def test_gzipped_ratings_that_would_fill_the_memory_are_not_unpacked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_csv(tmp_path / "ml", random_ratings(50))
    (folder / name.removesuffix(".gz")).unlink()
    (folder / name).write_bytes(gzip.compress(b"movieId,title,genres\n" + b"1,a,b\n" * (BOMB_LINES * 2 // 3), 1))
    code, _, said = feedrate(f"prepare movielens-latest --archive {folder} -o {tmp_path}/out", monkeypatch, capsys)
    assert code == 2
    assert "bytes, which no usual table does" in said


def test_only_the_first_faults_of_a_table_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {f"c{number}": pa.array([None, 1]) for number in range(60)}
    pq.write_table(pa.table({"label": [0, 1], **columns}), tmp_path / "a.parquet")
    words = f"prepare parquet {tmp_path}/a.parquet --label label --yes -o {tmp_path}/out"
    lines = feedrate(words, monkeypatch, capsys)[2].splitlines()
    assert lines[0] == "feedrate: 60 problems:"
    assert lines[-1] == "  and 10 more"
    assert len(lines) == 52
