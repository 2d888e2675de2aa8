"""What a column is taken for: by its type, and by what the user says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from feedrate.bench.datasets.tables.choose import Choices, choose
from feedrate.bench.datasets.tables.declared import DeclaredColumns
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.discovery import find_files
from feedrate.loaders.parquet.table_files import open_tables
from tests.samples.click_log import ROWS, cities, click_log, prepare, refused, rows_of, write


def choices(file: Path, **words: Any) -> Choices:
    tables = open_tables(find_files([file]))
    declared = DeclaredColumns(**{"label": "clicked", **words})
    return choose(tables, declared.resolved(list(tables.columns)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    when = pa.array([0] * ROWS, pa.timestamp("ms"))
    return write(tmp_path / "in/a.parquet", click_log(city=pa.array(cities()), when=when))


def test_kinds_are_inferred_from_the_types(file: Path) -> None:
    chosen = choices(file)
    kinds = {name: (choice.kind, choice.categorify, choice.declared) for name, choice in chosen.kept.items()}
    assert kinds == {
        "user": ("single-hot", False, False),
        "item": ("single-hot", False, False),
        "tags": ("multi-hot", False, False),
        "price": ("continuous", False, False),
        "clicked": ("label", False, True),
        "city": ("single-hot", True, False),
    }
    assert [column.name for column in chosen.left_out] == ["when"]


def test_what_is_said_comes_before_what_is_inferred(file: Path) -> None:
    chosen = choices(file, continuous=("user",), drop=("city",))
    assert chosen.kept["user"].kind == "continuous"
    assert chosen.kept["user"].declared
    assert "city" not in chosen.kept
    assert [(column.name, column.declared) for column in chosen.left_out] == [("city", True), ("when", False)]


def test_categorify_alone_makes_ids_of_numbers_times_and_lists(file: Path) -> None:
    chosen = choices(file, categorify=("price", "when", "tags"))
    kinds = {name: (chosen.kept[name].kind, chosen.kept[name].categorify) for name in ("price", "when", "tags")}
    assert kinds == {"price": ("single-hot", True), "when": ("single-hot", True), "tags": ("multi-hot", True)}


def test_a_pattern_stands_for_all_columns_that_it_matches(tmp_path: Path) -> None:
    table = click_log(**{"n 1": np.arange(ROWS), "n 2": np.arange(ROWS), "n*": np.arange(ROWS)})
    file = write(tmp_path / "a.parquet", table)
    declared = DeclaredColumns(label="clicked", continuous=("n ?",)).resolved(table.column_names)
    assert declared.continuous == ("n 1", "n 2")
    exact = choices(file, continuous=("n*",))
    assert [name for name, choice in exact.kept.items() if choice.kind == "continuous"] == ["price", "n*"]


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"label": "bought"}, "there is no column 'bought' (--label): there are user, item, tags, price, clicked"),
        ({"single_hot": ("x",)}, "there is no column 'x' (--single-hot)"),
        ({"drop": ("I*",)}, "there is no column 'I*' (--drop)"),
        ({"single_hot": ("tags",)}, "column 'tags' is list<element: int64>, not one value per row"),
        ({"single_hot": ("price",)}, "column 'price' is double, which has no ids: add --categorify price"),
        ({"single_hot": ("user",), "continuous": ("user",)}, "column 'user' is declared with two kinds"),
        ({"single_hot": ("clicked",)}, "column 'clicked' is declared with two kinds"),
        ({"drop": ("clicked",)}, "column 'clicked' is declared with two kinds"),
        ({"continuous": ("price",), "categorify": ("price",)}, "column 'price' is declared as continuous"),
        ({"multi_hot": ("user",)}, "column 'user' is int64, not a list"),
        ({"continuous": ("city",)}, "column 'city' is string, not a number"),
        ({"continuous": ("tags",)}, "declare it as --vector tags"),
        ({"vector": ("user",)}, "column 'user' is int64, not a list of numbers"),
        ({"label": "city"}, "the label, column 'city', is string, not a number: write it as 0 and 1"),
        (
            {"drop": ("user", "item", "city", "tags", "price", "when")},
            "there is no column besides the label 'clicked' to learn from",
        ),
    ],
)
def test_columns_that_are_not_there_or_not_so_are_refused(
    declared: dict[str, Any], sentence: str, file: Path, tmp_path: Path
) -> None:
    assert any(sentence in said for said in refused(file, tmp_path / "out", **declared))


def test_a_label_above_must_be_finite() -> None:
    with pytest.raises(FeedrateError, match="--label-above is nan, but must be a finite number"):
        DeclaredColumns(label="clicked", label_above=float("nan"))


def test_a_label_can_be_made_binary(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", click_log(clicked=np.arange(ROWS) % 5))
    dataset = prepare(file, tmp_path / "out", label_above=2)
    assert rows_of(dataset)["clicked"].to_numpy().mean() == pytest.approx(0.4)


def test_the_fields_of_a_struct_are_columns(tmp_path: Path) -> None:
    n = np.arange(ROWS)
    inner = pa.StructArray.from_arrays([pa.array(n % 7), pa.array(cities())], ["id", "city"])
    outer = pa.StructArray.from_arrays([inner, pa.array(n / 2)], ["user", "score"])
    file = write(tmp_path / "a.parquet", click_log(event=outer))
    dataset = prepare(file, tmp_path / "out")
    schema = dataset.info.schema
    sizes = {column.name: column.cardinality for column in schema.single_hot}
    assert (sizes["event.user.id"], sizes["event.user.city"]) == (7, 5)
    assert schema.continuous == ("price", "event.score")
    assert sorted(rows_of(dataset)["event.score"].to_pylist()) == (n / 2).tolist()


def test_a_struct_s_name_stands_for_its_fields(tmp_path: Path) -> None:
    event = pa.array([{"a": 1, "b": 2}] * ROWS)
    file = write(tmp_path / "a.parquet", click_log(event=event))
    assert [column.name for column in choices(file, drop=("event",)).left_out] == ["event.a", "event.b"]


def test_strict_refuses_what_would_be_left_out(file: Path, tmp_path: Path) -> None:
    [sentence] = refused(file, tmp_path / "out", strict=True)
    assert "--strict: column 'when' would be left out (timestamp[ms])" in sentence
    assert "--drop when" in sentence
    assert prepare(file, tmp_path / "out", strict=True, drop=("when",)).info.splits["train"].rows > 0


def test_all_columns_that_do_not_exist_are_named_at_once(file: Path, tmp_path: Path) -> None:
    said = refused(file, tmp_path / "out", single_hot=("x", "user", "y"), drop=("z",))
    assert [sentence.split("'")[1] for sentence in said] == ["x", "y", "z"]


def test_what_would_keep_a_column_keeps_it(tmp_path: Path) -> None:
    times = pd.date_range("2020-01-01", periods=ROWS, name="at")
    table = click_log(empty=pa.nulls(ROWS)).to_pandas().set_index(times)
    table.to_parquet(tmp_path / "a.parquet")
    left_out = {column.name: column.keep for column in choices(tmp_path / "a.parquet").left_out}
    for name in ("at", "empty"):
        assert left_out[name] == f"--single-hot {name} --categorify {name}"
    dataset = prepare(tmp_path / "a.parquet", tmp_path / "out", single_hot=("at", "empty"), categorify=("at", "empty"))
    assert {c.name: c.cardinality for c in dataset.info.schema.single_hot}.items() >= {"at": 401, "empty": 1}.items()
