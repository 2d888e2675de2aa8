"""The index of a split's rows: written by prepare, or made once for a dataset without it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from feedrate.bench.consumer.reading import word_sums
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.rows import row_index
from feedrate.bench.datasets.rows.checksum import row_hashes
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import read_columns


@pytest.fixture
def copied(small: Dataset, tmp_path: Path) -> Dataset:
    shutil.copytree(small.folder, tmp_path / "data")
    return read_dataset(tmp_path / "data")


def test_an_index_has_every_row_and_the_sums_of_all_columns(small: Dataset) -> None:
    index, columns = small.row_index("train"), read_columns(small.split("train"))
    rows = columns.slice(0, columns.rows)
    keys, counts = np.unique(row_hashes(rows).numpy(), return_counts=True)
    assert index.occurrences(keys).tolist() == counts.tolist()
    assert index.occurrences(np.setdiff1d(np.arange(-50, 50), keys)).sum() == 0
    assert index.word_sums == tuple(words % 2**64 for words in word_sums(rows))


def test_a_dataset_without_an_index_gets_the_same_one_once(copied: Dataset) -> None:
    files = {path.name: path.read_bytes() for path in (copied.folder / row_index.FOLDER).iterdir()}
    shutil.rmtree(copied.folder / row_index.FOLDER)
    for name in ("train", "valid"):
        copied.row_index(name)  # type: ignore[arg-type]
    again = {path.name: path.read_bytes() for path in (copied.folder / row_index.FOLDER).iterdir()}
    assert again.keys() == files.keys()
    assert all(again[name] == content for name, content in files.items() if name.endswith(".i64"))
    times = [path.stat().st_mtime_ns for path in (copied.folder / row_index.FOLDER).iterdir()]
    copied.row_index("train")
    assert [path.stat().st_mtime_ns for path in (copied.folder / row_index.FOLDER).iterdir()] == times


def test_an_index_with_the_former_key_of_the_label_s_sum_is_kept(copied: Dataset) -> None:
    path = copied.folder / row_index.FOLDER / "train.json"
    info, wanted = json.loads(path.read_bytes()), copied.row_index("train").word_sums
    info["word_sums"][row_index.FORMER_LABEL] = info["word_sums"].pop(copied.info.schema.label)
    path.write_text(json.dumps(info))
    assert copied.row_index("train").word_sums == wanted
    assert json.loads(path.read_bytes()) == info


def test_an_index_that_lacks_a_column_is_made_again(copied: Dataset) -> None:
    path = copied.folder / row_index.FOLDER / "train.json"
    info, wanted = json.loads(path.read_bytes()), copied.row_index("train").word_sums
    del info["word_sums"]["userId"]
    path.write_text(json.dumps(info))
    assert copied.row_index("train").word_sums == wanted
    assert "userId" in json.loads(path.read_bytes())["word_sums"]


def test_a_damaged_index_is_made_again(copied: Dataset) -> None:
    (copied.folder / row_index.FOLDER / "train.i64").write_bytes(b"12345678")
    assert len(copied.row_index("train").hashes) == 4000


def test_files_that_are_not_the_datasets_are_refused(copied: Dataset) -> None:
    shutil.rmtree(copied.folder / row_index.FOLDER)
    shutil.copy(copied.folder / "valid/part-0000.parquet", copied.folder / "train/part-0000.parquet")
    with pytest.raises(FeedrateError, match="are not the ones that dataset.json describes: prepare it again"):
        copied.row_index("train")
