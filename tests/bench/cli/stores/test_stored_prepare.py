"""`feedrate prepare` from and to a real S3 server."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from feedrate.bench.cli.app import app
from feedrate.bench.datasets.canonical import read_dataset
from feedrate.loaders.stores import attempts
from feedrate.loaders.stores.store_path import path_of
from tests.samples.stores.local_s3 import LocalS3

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "FIRST_PAUSE_S", 0.0)


def prepare(*arguments: object) -> str:
    """Run the command. Return what it prints, or its error."""
    result = CliRunner().invoke(app, ["prepare", *map(str, arguments)])
    return re.sub(r"\s+", " ", f"{result.output} {result.exception or ''}").strip()


def synthetic(output: object, rows: int, *more: str) -> str:
    return prepare("synthetic-movielens", "--rows", rows, "--row-group-rows", 1000, "-o", output, *more)


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    """Two Parquet files in folders that are a column, and a text file."""
    for day in (1, 2):
        folder = tmp_path / "clicks" / f"day={day}"
        folder.mkdir(parents=True)
        table = pa.table({"user": [n % 7 for n in range(100)], "clicked": [n % 2 for n in range(100)]})
        pq.write_table(table, folder / "part.parquet")
    (tmp_path / "clicks" / "README.txt").write_text("clicks")
    return tmp_path / "clicks"


def test_the_output_in_a_store_is_the_local_one(s3: LocalS3, tmp_path: Path) -> None:
    address = f"s3://{s3.bucket}/out/data"
    assert synthetic(address, 3_000).startswith(f"{address}: synthetic-movielens, 3,000 rows")
    synthetic(tmp_path / "local", 3_000)
    stored, local = read_dataset(path_of(address)), read_dataset(tmp_path / "local")
    assert stored.info == local.info
    assert s3.names() == sorted(
        f"out/data/{p.relative_to(local.folder)}" for p in local.folder.rglob("*") if p.is_file()
    )
    assert [asked for asked in s3.faults.requests if asked.startswith("PUT")][-1].startswith(f"PUT /{s3.bucket}/out/data/dataset.json")  # fmt: skip


def test_a_dataset_in_a_store_is_replaced_only_if_that_is_asked_for(s3: LocalS3) -> None:
    address = f"s3://{s3.bucket}/data"
    synthetic(address, 3_000)
    s3.client.put_object(Bucket=s3.bucket, Key="data/train/part-0099.parquet", Body=b"of an earlier one")
    assert synthetic(address, 4_000) == f"{address} exists: pass --overwrite to replace it or choose another -o"
    assert synthetic(address, 3_000, "--if-missing").startswith(f"{address}: synthetic-movielens, 3,000 rows")
    assert "rows was 3000 and is now 4000" in synthetic(address, 4_000, "--if-missing")
    assert synthetic(address, 4_000, "--overwrite").startswith(f"{address}: synthetic-movielens, 4,000 rows")
    assert "data/train/part-0099.parquet" not in s3.names()
    s3.client.put_object(Bucket=s3.bucket, Key="mine/letter.txt", Body=b"Dear")
    sentence = synthetic(f"s3://{s3.bucket}/mine", 3_000, "--overwrite")
    assert sentence == f"s3://{s3.bucket}/mine is not a dataset, so --overwrite does not touch it: choose another -o"


def test_an_interrupted_copy_is_no_dataset(s3: LocalS3) -> None:
    address = f"s3://{s3.bucket}/data"
    synthetic(address, 3_000)
    s3.faults.before = lambda method, path: setattr(
        s3.faults, "refuse", 99 if "valid" in path and method == "PUT" else 0
    )
    assert "could not be written in 6 attempts" in synthetic(address, 4_000, "--overwrite")
    s3.faults.before, s3.faults.refuse = lambda _method, _path: None, 0
    assert "data/dataset.json" not in s3.names()
    assert synthetic(address, 4_000).startswith(
        f"{address}: synthetic-movielens, 4,000 rows"
    )  # goes on without --overwrite
    assert "data/feedrate-unfinished" not in s3.names()


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("http://anna:geheim@127.0.0.1:1/data?sig=1", "http://127.0.0.1:1/data is on a web server, which takes no files"),
        ("s3://no-such-bucket/data", "s3://no-such-bucket does not exist: check the address"),
    ],
)  # fmt: skip
def test_an_output_that_takes_no_files_is_refused_before_the_work(output: str, sentence: str, s3: LocalS3) -> None:
    assert synthetic(output, 3_000).startswith(sentence)
    assert not any(asked.startswith("PUT") for asked in s3.faults.requests)


@pytest.mark.parametrize("inner", ["", "/day=*", "/day=1/part.parquet"])
def test_sources_in_a_store_make_the_same_dataset(inner: str, clicks: Path, s3: LocalS3, tmp_path: Path) -> None:
    s3.put(clicks, "raw/clicks")
    s3.faults.refuse, s3.faults.cut = 2, 2
    address = f"s3://{s3.bucket}/raw/clicks{inner}"
    assert "is not" not in prepare("parquet", address, "--label", "clicked", "--yes", "-o", tmp_path / "stored")
    assert (s3.faults.refuse, s3.faults.cut) == (0, 0)
    prepare("parquet", f"{clicks}{inner}", "--label", "clicked", "--yes", "-o", tmp_path / "local")
    stored, local = (read_dataset(tmp_path / name).info for name in ("stored", "local"))
    assert (stored.fingerprint, stored.name) == (local.fingerprint, local.name)
    again = prepare("parquet", address, "--label", "clicked", "--yes", "-o", tmp_path / "stored", "--if-missing")
    assert again.startswith(f"{tmp_path}/stored: ")


def test_a_changed_source_is_noticed_and_errors_name_its_address(clicks: Path, s3: LocalS3, tmp_path: Path) -> None:
    address = s3.put(clicks, "clicks")
    prepare(address, "--label", "clicked", "--yes", "-o", tmp_path / "data")
    damaged = (clicks / "day=1" / "part.parquet").read_bytes()[:-9]
    s3.client.put_object(Bucket=s3.bucket, Key="clicks/day=1/part.parquet", Body=damaged)
    sentence = prepare(address, "--label", "clicked", "--yes", "-o", tmp_path / "data", "--if-missing")
    assert "(day=1/part.parquet changed since)" in sentence
    sentence = prepare(address, "--label", "clicked", "--yes", "-o", tmp_path / "other")
    assert sentence.startswith(f"{address}/day=1/part.parquet is incomplete, damaged or not a Parquet file")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["parquet", "ADDRESS/none", "--label", "a"], "ADDRESS/none does not exist"),
        (["parquet", "ADDRESS/none*", "--label", "a"], "ADDRESS/none* does not exist or has no files"),
        (["parquet", "ADDRESS/x", "--label", "a", "--dask", "tcp://127.0.0.1:1"], "--dask names a cluster, but what is in"),
        (["movielens-1m", "--archive", "ADDRESS/ml-1m.zip"], "ADDRESS/ml-1m.zip does not exist"),
        (["parquet", "x", "--valid", "ADDRESS/valid", "--label", "a"], "'ADDRESS/valid' is in an object store"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_before_anything_is_written(
    arguments: list[str], sentence: str, s3: LocalS3, tmp_path: Path
) -> None:
    address = f"s3://{s3.bucket}"
    text = prepare(*(word.replace("ADDRESS", address) for word in arguments), "-o", tmp_path / "data")
    assert sentence.replace("ADDRESS", address) in text
    assert not (tmp_path / "data").exists()
