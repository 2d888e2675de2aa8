"""A large CSV file is read in ranges, which together hold what the file holds."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feedrate.bench.datasets import csv_file
from feedrate.bench.datasets.csv_file import CsvFile, CsvFormat
from feedrate.bench.datasets.tables.csv import as_parquet
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.discovery import DataFile, find_files

ROWS = 500


@pytest.fixture(autouse=True)
def short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "RANGE_BYTES", 1000)


def lines(end: str = "\n") -> str:
    chance = np.random.default_rng(0)
    rows = zip(chance.integers(0, 10**6, ROWS), chance.random(ROWS), strict=True)
    return end.join(["a,b", *(f"{a},{b:.4f}" for a, b in rows)]) + end


def opened(path: Path, **words: object) -> CsvFile:
    status = path.stat()
    return CsvFile(
        data=DataFile(path=path, format="csv", inner=(path.name,)),
        path=path,
        state=(status.st_size, status.st_mtime_ns),
        separator=",",
        names=("a", "b"),
        sep_line=False,
        csv_format=CsvFormat(**words),
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("cut", [0, 1])
def test_ranges_hold_every_line_once(tmp_path: Path, end: str, cut: int) -> None:
    text = lines(end)
    (tmp_path / "x.csv").write_bytes(text[: len(text) - cut * len(end)].encode())
    whole = opened(tmp_path / "x.csv")
    ranges = whole.ranges()
    assert len(ranges) > 5
    assert [part.start for part in ranges[1:]] == [part.stop for part in ranges[:-1]]
    frames = [frame for part in ranges for frame in part.frames()]
    assert pl.concat(frames).equals(pl.concat(list(whole.frames())))


def test_files_that_are_small_or_compressed_stay_whole(tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_text(lines()[:1900])
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(lines().encode(), 0))
    for name in ("small.csv", "x.csv.gz"):
        assert opened(tmp_path / name).ranges() == (opened(tmp_path / name),)


def test_a_quote_anywhere_keeps_a_file_whole(tmp_path: Path) -> None:
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "in" / "plain.csv").write_text(lines())
    (tmp_path / "in" / "quoted.csv").write_text(lines() + '"7\n8",0.5\n')
    found = as_parquet(find_files([tmp_path / "in"]), CsvFormat(), tmp_path / "out")
    origins = [file.shown.name for file in found.files]
    assert origins.count("quoted.csv") == 1
    assert origins.count("plain.csv") > 5
    written = [pl.read_parquet(file.path) for file in found.files]
    assert sum(frame.height for frame in written) == 2 * ROWS + 1
    assert written[-1]["a"][-1] == "7\n8"


@pytest.mark.parametrize("known", [False, True])
def test_the_first_wrong_line_of_a_file_is_named(tmp_path: Path, known: bool) -> None:
    """Also if all types are known, so that the lines are read once."""
    text = lines().splitlines()
    for wrong in (300, 301, 400):
        text[wrong] += f",{wrong}"
    (tmp_path / "in.csv").write_text("\n".join(text))
    (tmp_path / "out").mkdir()
    types = CsvFormat(known_types={"a": pl.Int64(), "b": pl.Float64()} if known else {})
    with pytest.raises(FeedrateError, match=r"Expected 2 columns, got 3: .*,300$"):
        as_parquet(find_files([tmp_path / "in.csv"]), types, tmp_path / "out")
