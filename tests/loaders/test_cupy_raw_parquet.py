"""CupyLoader on Parquet that nobody prepared: every value is the file's, or the column is refused by name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.loaders import CupyLoader
from feedrate.loaders.errors import FeedrateError


@pytest.mark.parametrize(
    ("name", "label", "sentence"),
    [
        ("nowhere", "y", "nowhere does not exist"),
        ("files", "z", r"has no column 'z': set label= to one of user, text, y"),
        ("files", "y", "column 'text' in .*a.parquet is string, but must hold integers"),
    ],
)
def test_what_cannot_be_read_is_said(name: str, label: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    pq.write_table(pa.table({"user": [1], "text": ["a"], "y": [0.0]}), tmp_path / "files" / "a.parquet")
    with pytest.raises(FeedrateError, match=sentence):
        CupyLoader(tmp_path / name, label=label, device="cpu")


def test_files_that_are_missing_cut_short_or_of_another_kind_are_named(small: Dataset, tmp_path: Path) -> None:
    text = tmp_path / "a.csv"
    text.write_text("user,y\n1,0\n")
    with pytest.raises(FeedrateError, match=r"a\.csv is not Parquet: convert it with `feedrate prepare csv`"):
        CupyLoader(text, label="y", device="cpu")
    copied = shutil.copytree(small.folder, tmp_path / "copied")
    [part] = (copied / "train").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(FeedrateError, match=f"{part.name} cannot be read as Parquet .*: write or copy it again"):
        CupyLoader(copied, device="cpu")
    part.unlink()
    with pytest.raises(FeedrateError, match=f"{part.name} cannot be read as Parquet .*No such file"):
        CupyLoader(copied, device="cpu")


@pytest.mark.parametrize("streamed", [{}, {"memory_budget_bytes": 10**6, "window_rows": 2}])
def test_a_file_that_is_damaged_within_is_named(streamed: dict[str, int], tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"user": np.arange(4_000), "y": np.zeros(4_000)}), file)
    content = bytearray(file.read_bytes())
    content[4:2_000] = b"\xff" * 1_996
    file.write_bytes(content)
    with pytest.raises(FeedrateError, match=r"a\.parquet cannot be read to its end \(.+\): write or copy it again"):
        list(CupyLoader(file, batch_size=2, label="y", device="cpu", **streamed))


@pytest.mark.parametrize("streamed", [{}, {"memory_budget_bytes": 10**6, "window_rows": 2}])
@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        (
            pa.array([1, 2**40 + 7]),
            r"column 'user' in .*a.parquet contains the id 1099511627783, which does not fit in 32 bits: .*--categorify user",
        ),
        (pa.array([1, -(2**31) - 1]), "contains the id -2147483649"),
        (pa.array([1, 2**31], pa.uint32()), "contains the id 2147483648"),
        (pa.array([[1], [4, 2**33]]), "contains the id 8589934592"),
        (pa.array([1, None], pa.int32()), r"column 'user' in .*a.parquet contains 1 null\(s\): fill them"),
        (pa.array([[1], None], pa.list_(pa.int32())), r"contains 1 null"),
        (pa.array([[1], [2, None]], pa.list_(pa.int32())), r"contains 1 null"),
        (pa.array([0.5, None], pa.float32()), r"contains 1 null"),
    ],
)
def test_what_would_become_other_ids_is_refused(
    column: pa.Array, sentence: str, streamed: dict[str, Any], tmp_path: Path
) -> None:
    pq.write_table(pa.table({"user": column, "y": [0.0, 1.0]}), tmp_path / "a.parquet")
    with pytest.raises(FeedrateError, match=sentence):
        list(CupyLoader(tmp_path, label="y", batch_size=2, device="cpu", **streamed))
    fitting = pa.table({"user": pa.array([-1, 2**31 - 1]), "y": pa.array([1, 0])})
    pq.write_table(fitting, tmp_path / "a.parquet")
    [batch] = CupyLoader(tmp_path, label="y", batch_size=2, shuffle=False, device="cpu", **streamed)
    assert batch.ids["user"].tolist() == [-1, 2**31 - 1]


@pytest.mark.parametrize("budget", [None, 300_000])
def test_types_that_differ_between_files_are_refused_before_a_value_is_cut(budget: int | None, tmp_path: Path) -> None:
    rows = 4_000
    for i in range(6):
        user = pa.array([1.5] * rows) if i % 2 else pa.array(np.arange(rows) % 30)
        table = pa.table({"user": user, "n": np.arange(rows), "y": np.arange(rows) % 2})
        pq.write_table(table, tmp_path / f"{i}.parquet")
    sentence = r"column 'user' is int64 in .*0\.parquet and double in .*1\.parquet"
    with pytest.raises(FeedrateError, match=sentence):
        CupyLoader(tmp_path, label="y", batch_size=64, device="cpu", memory_budget_bytes=budget)


def test_whole_numbers_in_floats_are_the_ids_that_other_files_have_as_integers(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user": [1, 2], "y": [0, 1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"user": [3.0, 4.0], "y": [0, 1]}), tmp_path / "b.parquet")
    [batch] = CupyLoader(tmp_path, label="y", batch_size=4, shuffle=False, device="cpu")
    assert batch.ids["user"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ([{"x": [1e300]}], r"column 'x' in .*0\.parquet contains 1e\+300, which float32 does not hold"),
        ([{"x": [0.5], "user": [1]}, {"x": [0.5]}], r"column 'user' is missing in .*1\.parquet"),
        ([{"when": pa.array([0], pa.date32())}], "column 'when' in .*0.parquet is date32.day., but must hold integers"),
        ([{"a": ["x"], "b": [{"c": "d"}]}], r"(?s)2 problems:\n.*'a' in .* is string.*\n.*'b.c' in .* is string"),
    ],
)
def test_what_cannot_be_delivered_as_it_is_is_refused(tables: list[Any], sentence: str, tmp_path: Path) -> None:
    for i, columns in enumerate(tables):
        pq.write_table(pa.table({**columns, "y": [0.0]}), tmp_path / f"{i}.parquet")
    with pytest.raises(FeedrateError, match=sentence):
        CupyLoader(tmp_path, label="y", device="cpu")


def test_the_index_of_pandas_is_no_feature_and_hidden_files_are_no_data(tmp_path: Path) -> None:
    frame = pa.table({"user": [1, 2, 3], "y": [0.0, 1.0, 0.0]}).to_pandas().set_index(pd.Index([5, 1, 9]))
    frame.to_parquet(tmp_path / "a.parquet")
    shutil.copy(tmp_path / "a.parquet", tmp_path / "_b.parquet")
    with pytest.warns(UserWarning, match="'__index_level_0__' is pandas' index, so it is left out"):
        loader = CupyLoader(tmp_path, label="y", device="cpu")
    assert [(list(batch.ids), batch.rows) for batch in loader] == [(["user"], 3)]


def test_a_column_in_the_names_of_folders_is_named_as_lost(tmp_path: Path) -> None:
    (tmp_path / "country=IT").mkdir()
    pq.write_table(pa.table({"user": [1], "y": [0.0]}), tmp_path / "country=IT" / "a.parquet")
    with pytest.raises(FeedrateError, match="column 'country' stands in the names of folders only"):
        CupyLoader(tmp_path, label="y", device="cpu")
    assert len(list(CupyLoader(tmp_path / "country=IT", label="y", device="cpu"))) == 1
