"""Layouts of files that users of such tools reported as read wrongly: what counts as the data set, and what splits it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.tables.provenance import require_same_table
from feedrate.loaders.errors import FeedrateError
from tests.samples.click_log import (
    BASE,
    ROWS,
    cardinalities,
    click_log,
    column,
    prepare,
    refused,
    request,
    rows_of,
    said_of,
    write,
)


def test_a_folder_as_spark_leaves_it(tmp_path: Path) -> None:
    source = tmp_path / "in"
    when = pa.array(np.arange(ROWS), pa.timestamp("ns"))
    for i in range(2):
        name = f"part-{i:05}-4f0e-c000.snappy.parquet"
        table = click_log(seed=i, when=when)
        write(source / name, table, flavor="spark", use_deprecated_int96_timestamps=True)
        (source / f".{name}.crc").write_bytes(b"crc\0\0\0\2\0" + bytes(8))
    (source / "_SUCCESS").touch()
    (source / "._SUCCESS.crc").write_bytes(b"crc\0\0\0\2\0")
    for name in ("_common_metadata", "_metadata"):
        pq.write_metadata(click_log().schema, source / name)
    dataset = prepare(source, tmp_path / "out")
    assert rows_of(dataset).num_rows == 2 * ROWS
    assert cardinalities(dataset) == BASE
    assert said_of(dataset, "files") == ["skipped hidden files (6)"]
    [when_left_out] = [d for d in dataset.info.decisions if d.subject == "when"]
    assert when_left_out.what.startswith("left out (timestamp[ns])")
    assert "--continuous when" in when_left_out.keep


def test_what_a_stopped_spark_job_left_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "in/part-00000.parquet", click_log())
    write(tmp_path / "in/_temporary/0/task_1/part-00000.parquet", click_log())
    dataset = prepare(tmp_path / "in", tmp_path / "out")
    assert rows_of(dataset).num_rows == ROWS
    assert said_of(dataset, "files") == ["skipped hidden folders (1)"]


def test_a_folder_named_like_a_file_is_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "in/events.parquet/part-00000.parquet", click_log())
    (tmp_path / "in/events.parquet/_SUCCESS").touch()
    dataset = prepare(tmp_path / "in", tmp_path / "out")
    assert (rows_of(dataset).num_rows, cardinalities(dataset)) == (ROWS, BASE)


def test_other_endings_of_parquet_are_read(tmp_path: Path) -> None:
    write(tmp_path / "in/a.parq", click_log())
    write(tmp_path / "in/b.pq", click_log())
    assert rows_of(prepare(tmp_path / "in", tmp_path / "out")).num_rows == 2 * ROWS


def test_a_column_in_the_names_of_folders_is_a_feature(tmp_path: Path) -> None:
    for i, country in enumerate(("IT", "NO")):
        write(tmp_path / f"in/country={country}/part-0.parquet", click_log(seed=i))
    dataset = prepare(tmp_path / "in", tmp_path / "out")
    assert cardinalities(dataset) == {**BASE, "country": 3}
    assert np.bincount(rows_of(dataset)["country"].to_numpy()).tolist() == [0, ROWS, ROWS]


def test_the_key_value_folder_of_the_output_changes_nothing(tmp_path: Path) -> None:
    dataset = prepare(write(tmp_path / "a.parquet", click_log()), tmp_path / "user=5/data")
    assert (rows_of(dataset).num_rows, cardinalities(dataset)) == (ROWS, BASE)


def test_the_output_within_the_input_is_never_read(tmp_path: Path) -> None:
    source = tmp_path / "in"
    week = pa.array(np.arange(ROWS) % 7, pa.int32())
    price, clicked = (column(name).cast(pa.float32()) for name in ("price", "clicked"))
    write(source / "a.parquet", click_log(user=week, item=week, tags=None, price=price, clicked=clicked))
    for _ in range(3):
        dataset = prepare(source, source / "prepared", options=PrepareOptions(overwrite=True))
        assert rows_of(dataset).num_rows == ROWS
        assert cardinalities(dataset) == {"user": 7, "item": 7}
    elsewhere = prepare(source, source / "second")
    assert rows_of(elsewhere).num_rows == ROWS
    assert "skipped folders that feedrate prepared (1)" in said_of(elsewhere, "files")


def test_a_dataset_of_another_source_is_not_taken_for_the_one_asked_for(tmp_path: Path) -> None:
    first = request(write(tmp_path / "first.parquet", click_log()))
    bought = click_log(100, seed=9).rename_columns(["user", "item", "tags", "price", "bought"])
    second = request(write(tmp_path / "second.parquet", bought), label="bought")
    dataset = prepare(first, tmp_path / "out")
    require_same_table(dataset, first, PrepareOptions(), tmp_path / "out")
    with pytest.raises(FeedrateError) as caught:
        require_same_table(dataset, second, PrepareOptions(), tmp_path / "out")
    for part in (str(tmp_path / "out"), "first.parquet", "second.parquet", "label was clicked", "--overwrite"):
        assert part in str(caught.value)


def test_files_called_train_valid_and_test_are_a_split_already(tmp_path: Path) -> None:
    for i, name in enumerate(("train", "valid", "test")):
        item = pa.array(column("item", seed=i).to_numpy() + 100 * i)
        write(tmp_path / f"in/{name}.parquet", click_log(seed=i, item=item))
    dataset = prepare(tmp_path / "in", tmp_path / "out")
    train, valid = (pq.read_table(tmp_path / "out" / name)["item"].to_numpy() for name in ("train", "valid"))
    assert (len(train), train.max() < 100) == (ROWS, True)
    assert (len(valid), valid.min() >= 100, valid.max() < 150) == (ROWS, True, True)
    [said] = said_of(dataset, "split")
    assert "kept as the files are called train and valid" in said
    assert "test.parquet" in said
    mixed = prepare(tmp_path / "in", tmp_path / "mixed", kind="random")
    assert rows_of(mixed).num_rows == 3 * ROWS
    assert "from files called test and train and valid alike" in said_of(mixed, "split")[0]


def test_an_encrypted_file_is_said_to_be_one(tmp_path: Path) -> None:
    file = write(tmp_path / "in/a.parquet", click_log())
    file.write_bytes(b"PARE" + file.read_bytes()[4:-4] + b"PARE")
    assert refused(tmp_path / "in", tmp_path / "out") == [f"{file} is encrypted: write it without encryption"]


def test_files_that_are_no_parquet_are_named_together(tmp_path: Path) -> None:
    whole = write(tmp_path / "in/whole.parquet", click_log()).read_bytes()
    for name, content in (
        ("empty", b""),
        ("text", b"user,item\n1,2\n"),
        ("truncated", whole[: len(whole) // 2]),
        ("zipped", b"PK\x03\x04" + bytes(100)),
    ):
        (tmp_path / f"in/{name}.parquet").write_bytes(content)
    empty, text, truncated, zipped = refused(tmp_path / "in", tmp_path / "out")
    assert empty.endswith("empty.parquet is empty: 0 bytes")
    assert "text.parquet is incomplete, damaged or not a Parquet file: it does not begin with PAR1" in text
    assert "truncated.parquet is incomplete, damaged or not a Parquet file: its end is missing" in truncated
    assert zipped.endswith("zipped.parquet is a zip file: unpack it")


def test_a_file_with_damaged_pages_cannot_be_read_to_its_end(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.parquet", click_log()).read_bytes()
    (tmp_path / "torn.parquet").write_bytes(b"PAR1" + b"\xff" * 400 + whole[404:])
    [sentence] = refused(tmp_path / "torn.parquet", tmp_path / "out")
    assert "torn.parquet cannot be read to its end" in sentence


def test_no_rows_no_files_and_no_path_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "none/a.parquet", click_log().slice(0, 0))
    (tmp_path / "bare").mkdir()
    assert "has no rows" in refused(tmp_path / "none", tmp_path / "out")[0]
    assert "has no Parquet or CSV file: it is empty" in refused(tmp_path / "bare", tmp_path / "out")[0]
    assert "does not exist" in refused(tmp_path / "nowhere", tmp_path / "out")[0]


def test_a_test_file_without_the_label_is_named(tmp_path: Path) -> None:
    write(tmp_path / "in/train.parquet", click_log())
    write(tmp_path / "in/test.parquet", click_log(clicked=None))
    [sentence] = refused(tmp_path / "in", tmp_path / "out")
    assert "column 'clicked' is missing in" in sentence
    assert "test.parquet" in sentence
    assert sentence.endswith("or name only files that have it")


def test_a_type_that_arrow_does_not_know_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pl.DataFrame({"x": pl.Series([1, 2], dtype=pl.Int128), "clicked": [0, 1]}).write_parquet(tmp_path / "in/a.parquet")
    [sentence] = refused(tmp_path / "in", tmp_path / "out")
    assert "a.parquet has a column of a type that Arrow does not read" in sentence
