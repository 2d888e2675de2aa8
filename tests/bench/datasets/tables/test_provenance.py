"""--if-missing and --overwrite: which dataset lies in the output folder already."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feedrate.bench.datasets.canonical import read_dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.tables.prepare import planned, write_tables
from feedrate.bench.datasets.tables.provenance import require_same_table
from feedrate.bench.datasets.tables.request import TableRequest
from feedrate.loaders.errors import FeedrateError
from tests.samples.click_log import click_log, numbered, prepare, request, rows_of, write


def difference(tmp_path: Path, options: PrepareOptions | None = None, **words: Any) -> str:
    """What differs from the dataset in `out`, which is made of `in`."""
    dataset = read_dataset(tmp_path / "out")
    with pytest.raises(FeedrateError) as caught:
        wanted = request(tmp_path / "in", **words)
        require_same_table(dataset, wanted, options or PrepareOptions(), tmp_path / "out")
    assert "pass --overwrite without --if-missing to replace it" in str(caught.value)
    return str(caught.value)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    write(tmp_path / "in/a.parquet", click_log())
    prepare(tmp_path / "in", tmp_path / "out", fill={"price": "zero"})
    return tmp_path


def test_the_same_request_finds_its_dataset(made: Path) -> None:
    dataset = read_dataset(made / "out")
    require_same_table(dataset, request(made / "in", fill={"price": "zero"}), PrepareOptions(), made / "out")


@pytest.mark.parametrize(
    ("words", "options", "said"),
    [
        ({}, {}, "fill was {'price': 'zero'} and is now not given"),
        ({"fill": {"price": "mean"}}, {}, "fill was {'price': 'zero'} and is now {'price': 'mean'}"),
        ({"fill": {"price": "zero"}}, {"seed": 3}, "seed was 0 and is now 3"),
        ({"fill": {"price": "zero"}}, {"row_group_rows": 7}, "row_group_rows was 262144 and is now 7"),
        ({"fill": {"price": "zero"}, "drop": ("item",)}, {}, "drop was not given and is now item"),
        ({"fill": {"price": "zero"}, "valid_fraction": 0.1}, {}, "split_valid_fraction was 0.2 and is now 0.1"),
        ({"fill": {"price": "zero"}, "label_above": 0.5}, {}, "label_above was not given and is now 0.5"),
    ],
)
def test_a_changed_option_is_named(words: dict[str, Any], options: dict[str, Any], said: str, made: Path) -> None:
    assert said in difference(made, PrepareOptions(**options), **words)


def test_changed_files_are_named(made: Path) -> None:
    words = {"fill": {"price": "zero"}}
    status = (made / "in/a.parquet").stat()
    os.utime(made / "in/a.parquet", ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    assert "a.parquet changed since" in difference(made, **words)
    write(made / "in/b.parquet", click_log())
    assert "files were a.parquet and are now a.parquet, b.parquet" in difference(made, **words)


def test_of_two_files_of_one_name_either_may_have_changed(tmp_path: Path) -> None:
    first, second = (write(tmp_path / f"{name}/part.parquet", click_log()) for name in "ab")
    wanted = request(first, second)
    dataset = prepare(wanted, tmp_path / "out")
    os.utime(first, ns=(0, 10**9))
    with pytest.raises(FeedrateError, match="changed since"):
        require_same_table(dataset, wanted, PrepareOptions(), tmp_path / "out")


def test_a_dataset_of_another_source_has_no_record_of_options(made: Path, small: Any) -> None:
    with pytest.raises(FeedrateError, match="of synthetic-movielens, without a record of its options"):
        require_same_table(small, request(made / "in"), PrepareOptions(), small.folder)


def test_overwrite_keeps_the_old_dataset_if_the_new_one_fails(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good.parquet", numbered(1)), write(tmp_path / "bad.parquet", numbered(-1))
    before = prepare(good, tmp_path / "out").info
    with pytest.raises(FeedrateError, match="has the id -1"):
        prepare(bad, tmp_path / "out", options=PrepareOptions(overwrite=True))
    assert read_dataset(tmp_path / "out").info == before
    prepare(write(tmp_path / "other.parquet", numbered(2)), tmp_path / "out", options=PrepareOptions(overwrite=True))
    assert set(rows_of(read_dataset(tmp_path / "out"))["x"].to_numpy()) == {2}
    assert np.array_equal(sorted(os.listdir(tmp_path)), ["bad.parquet", "good.parquet", "other.parquet", "out"])


def test_a_changed_dataset_of_like_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", click_log())
    prepare(file, tmp_path / "first")
    wanted = request(file, like=tmp_path / "first")
    dataset = prepare(wanted, tmp_path / "out")
    require_same_table(dataset, wanted, PrepareOptions(), tmp_path / "out")
    prepare(file, tmp_path / "first", drop=("user",), options=PrepareOptions(overwrite=True))
    with pytest.raises(FeedrateError, match="like_fingerprint was .* and is now"):
        require_same_table(dataset, wanted, PrepareOptions(), tmp_path / "out")


def test_a_dataset_is_not_replaced_unasked(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", numbered(1))
    prepare(file, tmp_path / "out")
    with pytest.raises(FeedrateError, match="pass --overwrite to replace it"):
        prepare(file, tmp_path / "out")


def test_a_file_that_changes_while_it_is_read_is_not_taken_for_the_one_that_was_read(tmp_path: Path) -> None:
    file = write(tmp_path / "in/a.parquet", click_log())
    with planned(request(tmp_path / "in", fill={"price": "zero"})) as plan:
        status = file.stat()
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
        write_tables(plan, tmp_path / "out")
    assert "a.parquet changed since" in difference(tmp_path, fill={"price": "zero"})


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("clicks/*.parquet", "clicks"),
        ("clicks/day=*/part-?.parquet", "clicks"),
        ("clicks/june.parquet", "june"),
        ("clicks", "clicks"),
        ("/*.parquet", "tables"),
    ],
)
def test_a_dataset_of_a_glob_has_the_name_of_its_folder(path: str, name: str) -> None:
    assert TableRequest(paths=(Path(path),), like=Path("other")).name == name
