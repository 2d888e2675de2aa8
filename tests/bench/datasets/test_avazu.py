"""`feedrate prepare avazu`: Kaggle's train.csv, and what lies beside it."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.tables.declared import DeclaredColumns, Extras, SplitOptions
from feedrate.loaders.errors import FeedrateError
from tests.bench.datasets.criteo.logs import prepare

pd = pytest.importorskip("pandas")

HEADER = (
    "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,device_id,device_ip,"
    "device_model,device_type,device_conn_type,C14,C15,C16,C17,C18,C19,C20,C21"
)
COLUMNS = HEADER.split(",")
IDS = COLUMNS[2:]
ODD_IDS = ("1e5", "00000001", "1", "-1", "nan", "inf", "true", "7e9")


def clicks(rows: int = 80) -> bytes:
    """Return a train.csv: ids of 20 digits, eight hours, and texts that a guess of types would change."""
    rng = np.random.default_rng(0)
    lines = [HEADER]
    for row in range(rows):
        texts = [str(ODD_IDS[rng.integers(len(ODD_IDS))]) for _ in IDS[1:]]
        lines.append(",".join([str(10**19 + row), str(int(rng.random() < 0.2)), f"141021{row // 10:02}", *texts]))
    return "\n".join(lines).encode() + b"\n"


def decoded(dataset: Dataset) -> Any:
    """Return the rows of both splits, with ids as the texts that fitted/ has for them."""
    rows = pd.concat([pd.read_parquet(dataset.folder / split) for split in ("train", "valid")], ignore_index=True)
    for number, name in enumerate(["click", *IDS]):
        if name in IDS:
            values = pl.read_parquet(dataset.folder / "fitted" / f"categories-{number:04}.parquet")["value"]
            texts = [str(value) if isinstance(value, int) else value.decode() for value in values]
            rows[name] = [["", *texts][value] for value in rows[name]]
    return rows


def test_a_split_by_hour_has_the_rows_as_pandas_reads_them(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(clicks())
    split = SplitOptions(kind="time", time_column="hour", valid_fraction=0.25)
    dataset = prepare("avazu", tmp_path / "train.csv", to=tmp_path / "out", split=split)
    expected = pd.read_csv(io.BytesIO(clicks()), dtype=str, keep_default_na=False)
    assert {name: part.rows for name, part in dataset.info.splits.items()} == {"train": 60, "valid": 20}
    rows = decoded(dataset)
    assert rows["click"].tolist() == expected["click"].astype(float).tolist()
    assert {name: rows[name].tolist() for name in IDS} == {name: expected[name].tolist() for name in IDS}
    assert [said.what for said in dataset.info.decisions if said.subject == "id"] == ["left out (large_string)"]


def test_kaggle_s_folder_is_read_without_its_test_set(tmp_path: Path) -> None:
    folder = tmp_path / "avazu"
    folder.mkdir()
    (folder / "train.gz").write_bytes(gzip.compress(clicks()))
    without_label = "\n".join(line.replace(",click", "", 1) for line in clicks().decode().splitlines())
    (folder / "test.gz").write_bytes(gzip.compress(without_label.encode()))
    (folder / "sampleSubmission.gz").write_bytes(gzip.compress(b"id,click\n1,0.5\n"))
    dataset = prepare("avazu", folder, to=tmp_path / "out")
    assert sum(part.rows for part in dataset.info.splits.values()) == 80
    assert [said.what for said in dataset.info.decisions if said.subject == "files"] == [
        "skipped sample submissions (1)",
        "skipped test files without a label (1)",
    ]


def test_parquet_has_the_fingerprint_of_the_csv_file_and_needs_no_id(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(clicks())
    frame = pl.read_csv(clicks(), infer_schema=False).with_columns(pl.col("click", "hour").cast(pl.Int64))
    frame.drop("id").write_parquet(tmp_path / "train.parquet")
    csv, parquet = (
        prepare("avazu", tmp_path / f"train.{kind}", to=tmp_path / kind).info.fingerprint for kind in ("csv", "parquet")
    )
    assert csv == parquet


def test_the_row_s_id_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(clicks())
    declared = DeclaredColumns(label="", categorify=("id",))
    schema = prepare("avazu", tmp_path / "train.csv", to=tmp_path / "out", columns=declared).info.schema
    assert schema.single_hot[0].name == "id"
    assert schema.single_hot[0].cardinality == 81


def test_new_files_are_prepared_like_a_dataset(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(clicks())
    first = prepare("avazu", tmp_path / "train.csv", to=tmp_path / "first")
    extras = Extras(like=tmp_path / "first")
    assert (
        prepare("avazu", tmp_path / "train.csv", to=tmp_path / "second", extras=extras).info.fingerprint
        == first.info.fingerprint
    )


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("x.csv", b"user,item\n1,2\n", "x.csv is not Avazu's click log: it lacks the columns click, hour, C1, banner_pos"),
        ("test.csv", HEADER.replace(",click", "").encode() + b"\n", "test.csv has no label, as test files of Avazu's"),
        ("train.gz", gzip.compress(clicks(4000))[:-3000], "cannot be read to its end (Truncated compressed stream): write or copy it"),
        ("train.csv", clicks().replace(b",1410210", b",14-10-210"), "column 'hour'"),
        ("train.csv", clicks().replace(b"10000000000000000003,0", b"10000000000000000003,2"), "has the value 2, not 0 or 1"),
    ],
)  # fmt: skip
def test_what_is_no_log_is_refused_in_a_sentence(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FeedrateError) as caught:
        prepare("avazu", tmp_path / name, to=tmp_path / "out")
    assert sentence in str(caught.value)
    assert not (tmp_path / "out").exists()
