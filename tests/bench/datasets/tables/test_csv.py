"""CSV and TSV as users have them: from Excel, from pandas, from databases."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets import csv_file
from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.csv_file import CsvFormat
from feedrate.bench.datasets.tables.csv import as_parquet
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.discovery import find_files
from tests.samples.click_log import cardinalities, prepare, refused, request, rows_of, said_of

ROWS = [(f"c{i % 3}", i / 2, i % 2) for i in range(40)]
LINES = [f"{city},{price},{clicked}" for city, price, clicked in ROWS]
PLAIN = "\n".join(["city,price,clicked", *LINES]) + "\n"


def zstd(text: str) -> bytes:
    stream = pa.BufferOutputStream()
    with pa.CompressedOutputStream(stream, "zstd") as packed:
        packed.write(text.encode())
    return stream.getvalue().to_pybytes()


def table(text: str | bytes, tmp_path: Path, *, name: str = "a.csv", **words: Any) -> pa.Table:
    """What a CSV file holds."""
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "in" / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "scratch").mkdir(exist_ok=True)
    found = as_parquet(find_files([tmp_path / "in"]), CsvFormat(**words), tmp_path / "scratch")
    return pa.concat_tables(pq.read_table(file.path) for file in found.files)


def column(values: list[str], tmp_path: Path, **words: Any) -> pa.ChunkedArray:
    """What a column of these texts is read as."""
    lines = [f"{value},0" for value in values]
    return table("\n".join(["x,y", *lines]), tmp_path, **words)["x"]


def prepared(text: str, tmp_path: Path, **words: Any) -> Dataset:
    (tmp_path / "a.csv").write_text(text)
    return prepare(request(tmp_path / "a.csv", source="csv", **words), tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", PLAIN.encode()),
        ("a.csv", b"\xef\xbb\xbf" + PLAIN.encode()),
        ("a.csv", PLAIN.replace("\n", "\r\n").encode()),
        ("a.csv", PLAIN.replace("\n", "\r").encode()),
        ("a.csv", PLAIN.rstrip("\n").encode()),
        ("a.csv", (PLAIN + "\n\n").encode()),
        ("a.csv", PLAIN.replace(",", ";").encode()),
        ("a.csv", b"sep=;\r\n" + PLAIN.replace(",", ";").encode()),
        ("a.csv", PLAIN.replace(",", "|").encode()),
        ("a.csv", PLAIN.replace(",", ";").replace(".", ",").encode()),
        ("a.csv", PLAIN.replace(",", ", ").replace("city, price, clicked", "city,price,clicked").encode()),
        ("a.tsv", PLAIN.replace(",", "\t").encode()),
        ("a.csv.gz", gzip.compress(PLAIN.encode(), mtime=0)),
        ("a.csv", gzip.compress(PLAIN.encode(), mtime=0)),
        ("a.csv.zst", zstd(PLAIN)),
    ],
    ids=str,
)
def test_a_table_is_the_same_in_every_dress(name: str, content: bytes, tmp_path: Path) -> None:
    assert [tuple(row.values()) for row in table(content, tmp_path, name=name).to_pylist()] == ROWS


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["1", "-2", "0"], pa.int64(), [1, -2, 0]),
        (["7", "007"], pa.large_string(), ["7", "007"]),
        ([" 7", "8 "], pa.int64(), [7, 8]),
        (["1", ""], pa.int64(), [1, None]),
        ([str(2**63 - 1), "1"], pa.int64(), [2**63 - 1, 1]),
        ([str(2**63), "1"], pa.uint64(), [2**63, 1]),
        ([str(2**64), "1"], pa.large_string(), [str(2**64), "1"]),
        (["12345678901234567890", "0.5"], pa.large_string(), ["12345678901234567890", "0.5"]),
        (["1", "2.50", "-.5", "1e+3", "1.5E3", "+4."], pa.float64(), [1, 2.5, -0.5, 1000, 1500, 4]),
        (["12e4", "1.5"], pa.large_string(), ["12e4", "1.5"]),
        (["1.5", "inf"], pa.float64(), [1.5, float("inf")]),
        (["1.5", "1.5.1"], pa.large_string(), ["1.5", "1.5.1"]),
        (["1,5", "2"], pa.large_string(), None),
        (["true", "False", ""], pa.bool_(), [True, False, None]),
        (["true", "yes"], pa.large_string(), ["true", "yes"]),
        (["2020-02-28", "0000-00-00"], pa.large_string(), ["2020-02-28", "0000-00-00"]),
        (["", ""], pa.large_string(), [None, None]),
        (["nul\0l", "ä\u2028b"], pa.large_string(), ["nul\0l", "ä\u2028b"]),
    ],
)
def test_a_column_has_the_narrowest_type_that_keeps_every_text(
    values: list[str], kind: pa.DataType, expected: list[object] | None, tmp_path: Path
) -> None:
    if expected is None:
        values, expected = [f'"{value}"' for value in values], list(values)
    read = column(values, tmp_path)
    assert read.type.equals(kind)
    assert read.to_pylist() == expected


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["2020-02-28", "1969-12-31"], pa.date32()),
        (["2020-02-28 01:02:03", "2020-02-28T01:02:03.5"], pa.timestamp("us")),
        (["2020-02-28 01:02:03.123456789"] * 2, pa.timestamp("ns")),
        (["2020-02-28 01:02:03Z", "2020-02-28T02:02:03+01:00"], pa.timestamp("us", "UTC")),
    ],
)
def test_dates_and_times_are_read_as_pandas_does(values: list[str], kind: pa.DataType, tmp_path: Path) -> None:
    read = column(values, tmp_path)
    assert read.type == kind
    expected = pd.to_datetime(pd.Series(values), format="ISO8601", utc=kind == pa.timestamp("us", "UTC"))
    assert pd.to_datetime(read.to_pandas()).tolist() == expected.tolist()


def test_fields_may_be_quoted_and_hold_anything(tmp_path: Path) -> None:
    text = 'x,"y, z"\n"a ""b"", c",1\n"line\nbreak",2\n"",3\n'
    read = table(text, tmp_path)
    assert read.column_names == ["x", "y, z"]
    assert read["x"].to_pylist() == ['a "b", c', "line\nbreak", None]


def test_the_header_may_hold_line_ends_separators_and_numbers(tmp_path: Path) -> None:
    assert table('"a\nb",01,"c;d;e;f"\n1,2,3\n', tmp_path).column_names == ["a\nb", "01", "c;d;e;f"]


def test_a_type_holds_the_values_of_all_files_and_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "BLOCK_BYTES", 64)
    table("x,y\n" + "1,0\n" * 50 + "0.5,0\n", tmp_path)
    read = table("x,y\n3,0\n", tmp_path, name="b.csv")
    assert read["x"].type == pa.float64()
    assert read["x"].to_pylist() == [*[1.0] * 50, 0.5, 3.0]
    read = table("x,y\n007,0\n", tmp_path, name="c.csv")
    assert read["x"].to_pylist()[-3:] == ["0.5", "3", "007"]


@pytest.mark.parametrize("block", range(16, 32))
def test_line_ends_within_quotes_are_kept_wherever_a_block_ends(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_file, "BLOCK_BYTES", block)
    read = table("x,y\r\n" + '"a\r\nb",1\r\n' * 9, tmp_path)
    assert read.to_pydict() == {"x": ["a\r\nb"] * 9, "y": [1] * 9}


def test_null_values_are_not_ignored_for_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1], "clicked": [1]}), tmp_path / "a.parquet")
    with pytest.raises(FeedrateError, match="--null-values is for CSV files"):
        as_parquet(find_files([tmp_path]), CsvFormat(null_values=("NA",)), tmp_path)


def test_null_values_are_those_that_are_named(tmp_path: Path) -> None:
    assert column(["1.5", "NA"], tmp_path).type == pa.large_string()
    assert column(["1.5", "NA"], tmp_path, null_values=("NA",)).to_pylist() == [1.5, None]
    lines = [f"{i / 2 if i % 4 else 'NA'},{i},{i % 2}" for i in range(40)]
    dataset = prepared("\n".join(["x,n,clicked", *lines]), tmp_path)
    assert cardinalities(dataset)["x"] == 32
    assert said_of(dataset, "files") == ["column 'x' is text because of NA: --null-values NA makes it Float64"]


def test_what_pandas_writes_is_read_as_pandas_reads_it(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, columns=["city", "price", "clicked"])
    frame["at"] = pd.date_range("2020-01-01", periods=40, freq="h", tz="UTC")
    text = frame.to_csv()
    read = table(text, tmp_path).drop(["", "at"]).to_pandas()
    pd.testing.assert_frame_equal(
        read, pd.read_csv(io.StringIO(text), index_col=0)[["city", "price", "clicked"]], check_dtype=False
    )
    dataset = prepared(text, tmp_path)
    assert said_of(dataset, "") == ["left out (pandas' index, int64)"]
    assert cardinalities(dataset) == {"city": 4}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "a.csv is empty: its first line should name the columns"),
        (b"\n\n", "a.csv is empty"),
        (b"city,price,clicked\n", "a.csv has no rows"),
        (PLAIN.encode() + b"Roma,1\n", "a.csv cannot be read as CSV: Expected 3 columns, got 2: Roma,1"),
        (PLAIN.encode() + b"Roma,1,0,5\n", "a.csv cannot be read as CSV: Expected 3 columns, got 4"),
        (b'city,price,clicked\n"Roma,1,0\n' + PLAIN.encode(), "a.csv cannot be read as CSV"),
        (PLAIN.replace("c1", "K\xf6ln").encode("latin-1"), "it is not UTF-8 text, so convert it"),
        (PLAIN.replace("city", "stra\xdfe").encode("latin-1"), "a.csv is not UTF-8 text: convert it"),
        (PLAIN.encode("utf-16"), "a.csv is UTF-16 text: save it as UTF-8"),
        (b"city,city,clicked\n" + b"a,b,0\n", "a.csv has two columns called 'city': rename one of them"),
        (gzip.compress(PLAIN.encode() * 99)[:-30], "a.csv cannot be read to its end"),
        (b"PK\x03\x04" + bytes(50), "a.csv is a zip or Excel file"),
        (b"PAR1" + bytes(50), "a.csv is a Parquet file: rename it to .parquet"),
    ],
)
def test_a_file_that_is_no_csv_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    [said] = refused(request(tmp_path / "a.csv", source="csv"), tmp_path / "out")
    assert sentence in said
    assert str(tmp_path / "a.csv") in said


def test_all_broken_files_are_named_together(tmp_path: Path) -> None:
    for name, text in (("a", PLAIN), ("b", ""), ("c", PLAIN + "x\n"), ("d", PLAIN + "x\n")):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / f"in/{name}.csv").write_text(text)
    assert len(refused(tmp_path / "in", tmp_path / "out")) == 1
    (tmp_path / "in/b.csv").unlink()
    assert ["c.csv" in said or "d.csv" in said for said in refused(tmp_path / "in", tmp_path / "out")] == [True, True]


def test_files_that_lack_a_column_are_refused_by_their_own_names(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text(PLAIN)
    (tmp_path / "in/b.csv").write_text("city,clicked\na,1\n")
    [said] = refused(tmp_path / "in", tmp_path / "out")
    assert f"column 'price' is missing in {tmp_path / 'in/b.csv'}" in said


def test_names_and_types_can_be_given(tmp_path: Path) -> None:
    words = {"names": ("a", "b"), "types": (pl.Int64(), pl.String())}
    read = table("1\t07\n2\t\n", tmp_path, separator="\t", **words)
    assert read.to_pydict() == {"a": [1, 2], "b": ["07", None]}
    with pytest.raises(FeedrateError, match=r"a.csv cannot be read as CSV: conversion from"):
        table("x\t07\n", tmp_path, separator="\t", **words)


def test_a_csv_file_is_prepared_and_its_own_path_is_recorded(tmp_path: Path) -> None:
    dataset = prepared(PLAIN, tmp_path)
    assert rows_of(dataset).num_rows == 40
    assert [file["path"] for file in dataset.info.provenance["files"]] == ["a.csv"]
    assert cardinalities(dataset) == {"city": 4}
    (tmp_path / "a.txt").write_text(PLAIN)
    assert rows_of(prepare(request(tmp_path / "a.txt", source="csv"), tmp_path / "txt")).num_rows == 40


def test_decimal_commas_are_said(tmp_path: Path) -> None:
    lines = ["city;price;clicked", *(f"{city};{i},{i:03};{i % 2}" for i, (city, _, _) in enumerate(ROWS))]
    dataset = prepared("\n".join(lines) + "\n", tmp_path)
    assert sorted(rows_of(dataset)["price"].to_pylist())[1] == pytest.approx(1.001)
    assert "column 'price' is read with decimal commas: 1,234 is 1.234" in said_of(dataset, "files")


def test_names_with_spaces_around_them_are_shown_in_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("city, clicked\nRoma,1\n")
    [sentence] = refused(request(tmp_path / "a.csv", source="csv"), tmp_path / "out")
    assert sentence == "there is no column 'clicked' (--label): there are city, ' clicked'"
