"""`feedrate prepare` on a user's own tables: options, exit codes, and what is said on the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from feedrate.bench.cli.app import main
from feedrate.bench.datasets.canonical import read_dataset
from feedrate.loaders.parquet.columns import read_columns
from tests.samples.click_log import ROWS, cardinalities, click_log, column, rows_of, said_of, write


class Said:
    """What a command ended with and printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def feedrate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Run a command in this process."""

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["feedrate", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Said(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "in/a.parquet", click_log(when=pa.array(np.arange(ROWS), pa.timestamp("s"))))


def test_the_plan_names_every_column(feedrate, file: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = feedrate("prepare", "parquet", file, "--label", "clicked", "--yes", "-o", tmp_path / "out")
    assert done.code == 0
    for name in ("user", "item", "tags", "price", "clicked"):
        assert name in done.err
    assert "when: left out, being timestamp[ms]" in done.err or "when: left out, being timestamp[s]" in done.err
    assert "--continuous when" in done.err
    assert "split: 20% of the rows for validation, drawn at random" in done.err
    assert "single-hot: user (30), item (50)" in done.out


def test_a_path_is_enough_without_the_word_parquet(feedrate, file: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert feedrate("prepare", file, "--label", "clicked", "--yes", "-o", tmp_path / "out").code == 0


def test_without_yes_nothing_is_written(feedrate, file: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = feedrate("prepare", "parquet", file, "--label", "clicked", "-o", tmp_path / "out")
    assert done.code == 2
    assert "pass --yes to accept them, or declare them" in done.err
    assert not (tmp_path / "out").exists()
    declared = "--single-hot user,item --multi-hot tags --continuous price,when".split()
    done = feedrate("prepare", "parquet", file, "--label", "clicked", *declared, "-o", tmp_path / "out")
    assert done.code == 0


def test_every_fault_has_a_line_and_no_folder_is_left(feedrate, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    user = pa.array([None, *range(1, ROWS)])
    write(tmp_path / "in/a.parquet", click_log(user=user, price=[1e300] * ROWS, clicked=[3] * ROWS))
    done = feedrate("prepare", "parquet", tmp_path / "in", "--label", "clicked", "--yes", "-o", tmp_path / "out")
    assert done.code == 2
    head, *lines = done.err.splitlines()
    assert head == "feedrate: 3 problems:"
    assert [line.split("'")[1] for line in lines] == ["user", "price", "clicked"]
    assert os.listdir(tmp_path) == ["in"]


def test_the_transforms_are_read_from_the_command_line(feedrate, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    price = [None if i % 4 == 0 else float(i) for i in range(ROWS)]
    city = pa.array([f"c{i % 50}" for i in range(ROWS)])
    write(tmp_path / "in/a.parquet", click_log(price=pa.array(price), city=city, **{"a=b": pa.array(price)}))
    words = "--fill price=median --fill a=b=-1 --clip price=:100 --log1p price --min-count 2 --hash-buckets city=5"
    done = feedrate(
        "prepare", "parquet", tmp_path / "in", "--label", "clicked", "--yes", "-o", tmp_path / "out", *words.split()
    )
    assert done.code == 0, done.err
    dataset = read_dataset(tmp_path / "out")
    assert rows_of(dataset)["price"].to_numpy().max() == pytest.approx(np.log1p(100))
    assert rows_of(dataset)["a=b"].to_numpy().min() == -1
    assert cardinalities(dataset)["city"] == 56
    assert dataset.info.provenance["options"]["fill"] == {"price": "median", "a=b": -1.0}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--fill price", "--fill is 'price', but must be COLUMN=VALUE"),
        ("--fill price=much", "--fill is 'price=much', which cannot be read: 'much' is not a number"),
        ("--fill price=nan", "the number must be finite"),
        ("--clip price=5:1", "the lower bound is above the upper one"),
        ("--clip price=:", "bounds are LOW:HIGH"),
        ("--min-count user=0", "is not a whole number from 1 to"),
        ("--hash-buckets 2147483647", "is not a whole number from 1 to"),
        ("--archive {file}", "--archive does not go with parquet"),
        ("--drop nobody --fill nothing=0 --group-by none", "there is no column 'nobody' (--drop)"),
        ("--like {file}", "--like applies the columns and transforms of {file}: leave out --label"),
        ("--split time", "--split time needs --time-column"),
        ("--valid-fraction 1", "--valid-fraction is 1.0, but must be between 0 and 1"),
    ],
)
def test_a_wrong_option_is_a_sentence(words: str, sentence: str, feedrate, file: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = feedrate(
        "prepare",
        "parquet",
        file,
        "--label",
        "clicked",
        "--yes",
        "-o",
        tmp_path / "out",
        *words.format(file=file).split(),
    )
    assert done.code == 2
    assert sentence.format(file=file) in done.err
    assert done.err.startswith("feedrate: ")
    assert not (tmp_path / "out").exists()


def test_like_takes_no_other_columns_and_transforms(feedrate, file: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert feedrate("prepare", file, "--label", "clicked", "--yes", "-o", tmp_path / "first").code == 0
    words = ("prepare", file, "--like", tmp_path / "first", "-o", tmp_path / "out", "--yes")
    for more in (("--categorify", "user"), ("--drop", "when"), ("--fill", "price=0"), ("--label-above", "0")):
        done = feedrate(*words, *more)
        assert (done.code, "--like" in done.err) == (2, True)
    assert feedrate(*words).code == 0
    infos = [read_dataset(tmp_path / name).info for name in ("first", "out")]
    assert infos[0].fingerprint == infos[1].fingerprint


def test_if_missing_prepares_once_and_refuses_another_source(feedrate, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    first, second = (write(tmp_path / f"{i}.parquet", click_log(seed=i)) for i in range(2))
    (tmp_path / "out").mkdir()
    words = ("--label", "clicked", "--yes", "--if-missing", "-o", tmp_path / "out")
    assert feedrate("prepare", "parquet", first, *words).code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert feedrate("prepare", "parquet", first, *words).code == 0
    done = feedrate("prepare", "parquet", second, *words)
    assert done.code == 2
    for part in ("out was made otherwise", "0.parquet", "1.parquet", "--overwrite"):
        assert part in done.err
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_overwriting_within_the_input_gives_the_same_each_time(feedrate, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    price, clicked = (column(name).cast(pa.float32()) for name in ("price", "clicked"))
    write(tmp_path / "in/a.parquet", click_log(tags=None, price=price, clicked=clicked))
    for _ in range(2):
        words = ("--label", "clicked", "--yes", "-o", tmp_path / "in/prepared", "--overwrite")
        assert feedrate("prepare", "parquet", tmp_path / "in", *words).code == 0
        assert rows_of(read_dataset(tmp_path / "in/prepared")).num_rows == ROWS


def test_valid_names_the_files_of_the_other_split(feedrate, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    january, february = (write(tmp_path / f"month={i}/a.parquet", click_log(10 * i)) for i in (1, 2))
    words = ("--label", "clicked", "--yes", "-o", tmp_path / "out")
    assert feedrate("prepare", january.parent, "--valid", february.parent, *words).code == 0
    dataset = read_dataset(tmp_path / "out")
    assert {name: part.rows for name, part in dataset.info.splits.items()} == {"train": 10, "valid": 20}
    assert cardinalities(dataset)["month"] == 3
    assert said_of(dataset, "split") == ["1 file(s) for training, 1 for validation, as --valid says"]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_odd_names_do_not_stop_a_terminal_of_another_encoding(encoding: str, tmp_path: Path) -> None:
    names = ["user.id", "user", "tags, all", "[price] €", "did click?", "<b>日本</b>"]
    table = click_log(x=np.arange(ROWS) % 2).rename_columns(names)
    write(tmp_path / "in/a.parquet", table)
    words = ["prepare", "parquet", str(tmp_path / "in"), "--label", "did click?", "--yes", "-o", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", "from feedrate.bench.cli.app import main; main()", *words],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert cardinalities(read_dataset(tmp_path / "out")) == {
        "user.id": 30,
        "user": 50,
        "<b>日本</b>": 2,
        "tags, all": 9,
    }


def test_the_share_of_positive_rows_is_an_option_of_criteo_s_twin_alone(feedrate, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    words = ("prepare", "synthetic-criteo", "--rows", 10_000, "-o", tmp_path / "out", "--positive-fraction")
    assert feedrate(*words, 0.25).code == 0
    label = read_columns(read_dataset(tmp_path / "out").split("valid")).label
    assert 0.22 < float(label.mean()) < 0.28
    other = feedrate(*words, 0.1, "--if-missing")
    assert (other.code, "positive_fraction was 0.25 and is now 0.1" in other.err) == (2, True)
    refused = feedrate("prepare", "synthetic-movielens", "--positive-fraction", 0.1, "-o", tmp_path / "x")
    assert "--positive-fraction does not go with synthetic-movielens: it is for synthetic-criteo" in refused.err
