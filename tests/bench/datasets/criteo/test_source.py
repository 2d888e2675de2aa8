"""`feedrate prepare criteo`: the official files, the tables made of them, and what is neither."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from feedrate.bench.cli.app import app
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.sources import table_request
from feedrate.bench.datasets.tables.declared import DeclaredColumns, Extras, SplitOptions, Transforms
from feedrate.bench.datasets.tables.provenance import require_same_table
from feedrate.loaders.errors import FeedrateError
from tests.bench.datasets.criteo.logs import COLUMNS, IDS, NUMBERS, log, prepare, tsv

pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("official")
    return prepare("criteo", days(folder / "days", tsv(log())), to=folder / "out")


def read_by_pandas(content: bytes) -> Any:
    """Read a log without feedrate: texts as they are, a gap is an empty text."""
    return pd.read_csv(
        io.BytesIO(content), sep="\t", header=None, names=COLUMNS, dtype=str, keep_default_na=False, quoting=3
    )


def written(dataset: Dataset) -> Any:
    """Return the rows of both splits. With `--valid` they are in the order of the files."""
    return pd.concat([pd.read_parquet(dataset.folder / split) for split in ("train", "valid")], ignore_index=True)


def decoded(dataset: Dataset) -> Any:
    """Return the ids as the texts that fitted/ has for them, and id 0 as an empty text."""
    rows = written(dataset)
    for number, name in enumerate(["label", *NUMBERS, *IDS]):
        if name in IDS:
            file = dataset.folder / "fitted" / f"categories-{number:04}.parquet"
            texts = [b"", *pl.read_parquet(file)["value"].cast(pl.Binary).to_list()]
            rows[name] = [texts[value].decode() for value in rows[name]]
    return rows


def days(folder: Path, *contents: bytes) -> Path:
    folder.mkdir(parents=True)
    for number, content in enumerate(contents):
        (folder / f"day_{number}").write_bytes(content)
    return folder


def refusal(path: Path, to: Path) -> str:
    with pytest.raises(FeedrateError) as caught:
        prepare("criteo", path, to=to)
    assert not to.exists()
    return str(caught.value)


def test_days_without_suffix_are_read_as_pandas_reads_them(tmp_path: Path) -> None:
    first, second = tsv(log(60, 0)), tsv(log(40, 1))
    folder = days(tmp_path / "days", first, second)
    dataset = prepare("criteo", folder, to=tmp_path / "out", extras=Extras(valid_paths=(folder / "day_1",)))
    expected, rows = read_by_pandas(first + second), decoded(dataset)
    assert {name: part.rows for name, part in dataset.info.splits.items()} == {"train": 60, "valid": 40}
    for name in IDS:
        assert rows[name].tolist() == expected[name].tolist(), name
    for name in ("label", *NUMBERS):
        numbers = pd.to_numeric(expected[name]).fillna(0).astype(np.float32)
        assert rows[name].tolist() == numbers.tolist(), name


def test_gaps_are_said_and_may_be_filled_otherwise(tmp_path: Path) -> None:
    rows = log()
    gaps = sum(row[3] == "" for row in rows)
    folder = days(tmp_path / "days", tsv(rows))
    plain = prepare("criteo", folder, to=tmp_path / "plain")
    said = [decision.what for decision in plain.info.decisions if decision.subject == "I3"]
    assert said == [f"{gaps} missing values are filled with zero"]
    filled = prepare("criteo", folder, to=tmp_path / "filled", transforms=Transforms(fill={"I*": -9.0}))
    assert int((written(filled)["I3"] == -9).sum()) == gaps


def test_what_the_user_declares_counts_more(tmp_path: Path) -> None:
    folder = days(tmp_path / "days", tsv(log()))
    declared = DeclaredColumns(label="", drop=("C2*",), categorify=("I5",), single_hot=("I6",))
    with pytest.raises(FeedrateError, match=r"column 'I6' .* has \d+ missing values|the id -"):
        prepare("criteo", folder, to=tmp_path / "out", columns=declared)
    declared = DeclaredColumns(label="", drop=("C2*", "I6"), categorify=("I5",))
    schema = prepare("criteo", folder, to=tmp_path / "out", columns=declared).info.schema
    assert {column.name for column in schema.single_hot} == {"I5", "C1", *(f"C{i}" for i in range(3, 20))}
    assert set(schema.continuous) == {*NUMBERS} - {"I5", "I6"}


@pytest.mark.parametrize("rare", [Transforms(min_count={"*": 3}), Transforms(hash_buckets={"C*": 5})])
def test_ids_may_be_cut_or_hashed(tmp_path: Path, rare: Transforms) -> None:
    dataset = prepare("criteo", days(tmp_path / "days", tsv(log())), to=tmp_path / "out", transforms=rare)
    assert all(column.cardinality <= 13 for column in dataset.info.schema.single_hot)


@pytest.mark.parametrize("name", ["day_3", "day_3.gz", "train.txt", "dac_sample.txt", "train.txt.gz", "a.tsv"])
def test_files_are_found_by_their_usual_names_beside_what_came_with_them(tmp_path: Path, name: str) -> None:
    content = tsv(log())
    (tmp_path / "dac").mkdir()
    (tmp_path / "dac" / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (tmp_path / "dac" / "readme.txt").write_text("Criteo's Display Advertising Challenge")
    (tmp_path / "dac" / "license.txt").write_text("non-commercial")
    (tmp_path / "dac" / "test.txt").write_bytes(tsv([row[1:] for row in log()]))
    dataset = prepare("criteo", tmp_path / "dac", to=tmp_path / "out")
    assert sum(part.rows for part in dataset.info.splits.values()) == 60
    said = {decision.what for decision in dataset.info.decisions if decision.subject == "files"}
    assert said == {"skipped test files without a label (1)", "skipped other files (2)"}


def spelled(names: list[str]) -> pl.DataFrame:
    frame = pl.DataFrame(log(), schema=COLUMNS, orient="row").with_columns(pl.col(COLUMNS).replace("", None))
    return frame.with_columns(pl.col("label", *NUMBERS).cast(pl.Int64)).rename(dict(zip(COLUMNS, names, strict=True)))


SPELLINGS = {
    "merlin": COLUMNS,
    "kaggle": ["Label", *COLUMNS[1:]],
    "hugging face": [
        "label",
        *(f"integer_feature_{i}" for i in range(1, 14)),
        *(f"categorical_feature_{i}" for i in range(1, 27)),
    ],
    "torchrec": ["label", *(f"int_{i}" for i in range(13)), *(f"cat_{i}" for i in range(26))],
    "tensorflow": ["clicked", *(f"int-feature-{i}" for i in range(1, 14)), *(f"categorical-feature-{i}" for i in range(14, 40))],
    "spark": [f"_c{i}" for i in range(40)],
    "polars": [f"column_{i}" for i in range(1, 41)],
    "duckdb": [f"column{i:02}" for i in range(40)],
    "arrow": [f"f{i}" for i in range(40)],
    "pandas": [str(i) for i in range(40)],
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_parquet_and_csv_of_the_same_log_have_the_fingerprint_of_the_official_file(
    tmp_path: Path, official: Dataset, spelling: str
) -> None:
    frame = spelled(SPELLINGS[spelling])
    frame.write_parquet(tmp_path / "log.parquet")
    frame.write_csv(tmp_path / "log.csv")
    fingerprints = {
        name: prepare("criteo", tmp_path / name, to=tmp_path / "out" / name).info.fingerprint
        for name in ("log.parquet", "log.csv")
    }
    assert fingerprints == dict.fromkeys(fingerprints, official.info.fingerprint)


def test_names_by_place_in_the_first_line_are_no_row(tmp_path: Path, official: Dataset) -> None:
    spelled(SPELLINGS["pandas"]).write_csv(tmp_path / "log.tsv", separator="\t")
    assert prepare("criteo", tmp_path / "log.tsv", to=tmp_path / "out").info.fingerprint == official.info.fingerprint


def test_the_command_needs_neither_a_label_nor_an_answer(tmp_path: Path, official: Dataset) -> None:
    folder = days(tmp_path / "days", tsv(log()))
    result = CliRunner().invoke(app, ["prepare", "criteo", str(folder), "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert read_dataset(tmp_path / "out").info.fingerprint == official.info.fingerprint


def test_the_command_needs_a_path(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["prepare", "criteo", "-o", str(tmp_path / "out")])
    assert str(result.exception).startswith("`feedrate prepare criteo` needs a PATH")


def test_renamed_columns_are_said(tmp_path: Path) -> None:
    spelled(SPELLINGS["torchrec"]).write_parquet(tmp_path / "log.parquet")
    said = [
        decision.what for decision in prepare("criteo", tmp_path / "log.parquet", to=tmp_path / "out").info.decisions
    ]
    assert any(what.startswith("renamed int_0 to I1, int_1 to I2") for what in said)


def test_hashes_as_negative_integers_become_ids_and_stay_apart(tmp_path: Path) -> None:
    values = pa.array(np.array([-5, -5, -5, 7, 7, -(2**31), 2**31 - 1, None], object).tolist() * 5, pa.int32())
    zeros = pa.array([0] * 40, pa.int32())
    labels = pa.array([0, 1] * 20, pa.int8())
    table = pa.table({"label": labels, **dict.fromkeys(NUMBERS, zeros), **dict.fromkeys(IDS, values)})
    pq.write_table(table, tmp_path / "day_0.parquet")
    dataset = prepare("criteo", tmp_path / "day_0.parquet", to=tmp_path / "out")
    counts = written(dataset)["C7"].value_counts().to_dict()
    assert counts == {1: 15, 2: 10, 3: 5, 4: 5, 0: 5}


def test_ids_of_a_processed_log_are_kept_if_the_user_says_so(tmp_path: Path) -> None:
    ids = pa.array(list(range(40)), pa.int64())
    labels = pa.array([0, 1] * 20, pa.int8())
    floats = pa.array(np.linspace(0, 1, 40), pa.float32())
    pq.write_table(
        pa.table({"label": labels, **dict.fromkeys(NUMBERS, floats), **dict.fromkeys(IDS, ids)}), tmp_path / "a.parquet"
    )
    declared = DeclaredColumns(label="", single_hot=("C*",))
    dataset = prepare("criteo", tmp_path / "a.parquet", to=tmp_path / "out", columns=declared)
    assert sorted(written(dataset)["C26"]) == list(range(40))


def test_new_days_are_prepared_like_a_dataset(tmp_path: Path, official: Dataset) -> None:
    spelled(SPELLINGS["torchrec"]).write_parquet(tmp_path / "log.parquet")
    dataset = prepare("criteo", tmp_path / "log.parquet", to=tmp_path / "second", extras=Extras(like=official.folder))
    assert dataset.info.fingerprint == official.info.fingerprint


def test_options_that_like_would_ignore_are_refused(tmp_path: Path, official: Dataset) -> None:
    with pytest.raises(FeedrateError, match="--like applies the columns and transforms of .*: leave out --label"):
        prepare(
            "criteo",
            tmp_path,
            to=tmp_path / "o",
            transforms=Transforms(log1p=("I1",)),
            extras=Extras(like=official.folder),
        )


def test_if_missing_tells_the_same_request_from_another(tmp_path: Path) -> None:
    folder = days(tmp_path / "days", tsv(log()))
    dataset = prepare("criteo", folder, to=tmp_path / "out")
    arguments = (DeclaredColumns(label=""), Transforms(), SplitOptions(), Extras())
    require_same_table(dataset, table_request("criteo", (folder,), *arguments), PrepareOptions(), tmp_path / "out")
    other = table_request("criteo", (folder,), arguments[0], Transforms(log1p=("I1",)), *arguments[2:])
    with pytest.raises(FeedrateError, match="log1p was not given and is now "):
        require_same_table(dataset, other, PrepareOptions(), tmp_path / "out")


def test_lines_that_lost_their_last_tabs_have_gaps_there(tmp_path: Path) -> None:
    rows = log()
    rows[5][-3:], rows[9][-26:] = [""] * 3, [""] * 26
    whole = tsv(rows)
    cut = b"".join(
        line.rstrip(b"\t") + b"\n" if i in (5, 9) else line + b"\n" for i, line in enumerate(whole.splitlines())
    )
    assert cut != whole
    fingerprints = {
        prepare("criteo", days(tmp_path / name, content), to=tmp_path / f"{name} out").info.fingerprint
        for name, content in (("whole", whole), ("cut", cut), ("crlf", whole.replace(b"\n", b"\r\n")))
    }
    assert len(fingerprints) == 1


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.tsv", tsv([row[:38] for row in log()]), "its first line has 38 fields between tabs, and should have 40"),
        ("a.tsv", tsv([[*row, "x"] for row in log()]), "its first line has 41 fields between tabs, and should have 40"),
        ("a.tsv", tsv([*log(), [*log()[0], "x"]]), "cannot be read as CSV: Expected 40 columns, got 41"),
        ("test.txt", tsv([row[1:] for row in log()]), "has no label, as test files of Criteo's click log"),
        ("u.csv", b"user,item,rating\n1,2,3\n", "it lacks the columns label, I1, I2, I3, I4, I5 and 34 more, and has user"),
        ("u.txt", b"just some words\n", "and has just some words"),
        ("day_0", tsv(log())[:-150], "ends within a line"),
        ("day_0.gz", gzip.compress(tsv(log(600)), mtime=0)[:-2000], "cannot be read to its end (Truncated compressed stream): write or copy it"),
        ("day_0", b"", "is empty"),
        ("day_0", tsv([["2", *row[1:]] for row in log()]), "label 'label' in "),
        ("day_0", tsv([["", *row[1:]] for row in log()]), "has 60 missing or NaN values"),
        ("day_0", tsv([[row[0], "many", *row[2:]] for row in log()]), "column 'I1'"),
        ("a.zip", b"PK\x03\x04\x14\x00\x00\xff", "is an archive, not a text file: unpack it"),
        ("dac.tar.gz", gzip.compress(b"dac/train.txt" + bytes(500), mtime=0), "is an archive, not a text file: unpack it"),
    ],
)  # fmt: skip
def test_what_is_no_log_is_refused_in_a_sentence(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    message = refusal(tmp_path / name, tmp_path / "out")
    assert sentence in message
    assert name in message
    assert "\n" not in message
    assert len(message.replace(str(tmp_path), "")) <= 300


def test_parquet_that_is_no_log_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    spelled(COLUMNS).drop("I3", "C7").write_parquet(tmp_path / "a.parquet")
    message = refusal(tmp_path / "a.parquet", tmp_path / "out")
    assert "a.parquet is not Criteo's click log: it lacks the columns I3, C7, and has label, I1, I2, I4" in message


def test_all_files_that_are_no_logs_are_listed(tmp_path: Path) -> None:
    folder = days(tmp_path / "days", tsv(log()), b"1\t2\n", b"1\t2\t3\n")
    message = refusal(folder, tmp_path / "out")
    assert "day_1" in message
    assert "day_2" in message
