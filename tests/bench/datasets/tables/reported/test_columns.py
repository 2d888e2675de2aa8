"""Columns that users of such tools reported as read wrongly: types, missing values, ids and names."""

from __future__ import annotations

import decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from tests.samples.click_log import (
    BASE,
    CITIES,
    ROWS,
    cardinalities,
    cities,
    click_log,
    column,
    prepare,
    refused,
    rows_of,
    said_of,
    write,
)


def with_nan(ids: pa.Array) -> pa.Array:
    floats = ids.to_numpy().astype(np.float64)
    floats[::10] = np.nan
    return pa.array(floats)


def sent(tmp_path: Path, *tables: pa.Table, **options: Any) -> Path:
    """Write one file for each table."""
    for i, table in enumerate(tables):
        write(tmp_path / "in" / f"{'abc'[i]}.parquet", table, **options)
    return tmp_path / "in"


def test_columns_in_another_order_are_taken_by_name(tmp_path: Path) -> None:
    other = click_log(seed=1).select(["clicked", "price", "tags", "item", "user"])
    dataset = prepare(sent(tmp_path, click_log(), other), tmp_path / "out")
    assert (rows_of(dataset).num_rows, cardinalities(dataset)) == (2 * ROWS, BASE)


def test_widths_of_integers_may_differ(tmp_path: Path) -> None:
    narrow = click_log(seed=1, user=column("user", seed=1).cast(pa.int32()))
    dataset = prepare(sent(tmp_path, click_log(), narrow), tmp_path / "out")
    assert (rows_of(dataset).num_rows, cardinalities(dataset)) == (2 * ROWS, BASE)


def test_a_column_without_a_value_in_one_file_has_the_type_of_the_other(tmp_path: Path) -> None:
    tables = click_log(city=pa.array(cities())), click_log(city=pa.nulls(ROWS))
    dataset = prepare(sent(tmp_path, *tables), tmp_path / "out")
    assert cardinalities(dataset) == {**BASE, "city": 5}
    assert np.count_nonzero(rows_of(dataset)["city"].to_numpy() == 0) == ROWS
    assert f"{ROWS} missing values have id 0" in said_of(dataset, "city")


def test_a_file_without_rows_has_no_say(tmp_path: Path) -> None:
    source = sent(tmp_path, click_log())
    frame = click_log().to_pandas()
    frame[frame["user"] < 0].to_parquet(source / "b.parquet", index=True)
    dataset = prepare(source, tmp_path / "out")
    assert (rows_of(dataset).num_rows, cardinalities(dataset)) == (ROWS, BASE)


def test_missing_ids_are_nobody_s(tmp_path: Path) -> None:
    user = [None if i % 10 == 0 else value for i, value in enumerate(column("user").to_pylist())]
    source = sent(tmp_path, click_log(user=pa.array(user)))
    [sentence] = refused(source, tmp_path / "out")
    assert f"column 'user' in {source / 'a.parquet'} has 40 missing values: pass --categorify user" in sentence
    dataset = prepare(source, tmp_path / "out", single_hot=("user",), categorify=("user",))
    assert cardinalities(dataset)["user"] == 31
    counts = np.bincount(rows_of(dataset)["user"].to_numpy())
    assert counts[0] == 40
    assert sorted(counts[1:].tolist()) == sorted(np.unique([v for v in user if v is not None], return_counts=True)[1])
    assert user.count(0) == 13


def test_pandas_index_is_no_feature(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    click_log(2 * ROWS).to_pandas().sample(ROWS, random_state=0).to_parquet(tmp_path / "in/a.parquet")
    dataset = prepare(tmp_path / "in", tmp_path / "out")
    assert cardinalities(dataset) == BASE
    assert said_of(dataset, "__index_level_0__") == ["left out (pandas' index, int64)"]


def test_criteo_s_columns_need_one_option(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    table = {"label": pa.array(rng.integers(0, 2, ROWS))}
    gaps = {}
    for i in range(1, 14):
        counts, gaps[f"I{i}"] = rng.geometric(0.05, ROWS) - (4 if i == 2 else 1), rng.random(ROWS) < 0.2
        table[f"I{i}"] = pa.array(counts, mask=gaps[f"I{i}"])
    for i in range(1, 27):
        words = [f"{n * 2654435761 % 2**32:08x}" for n in rng.geometric(0.02, ROWS).tolist()]
        table[f"C{i}"] = pa.array(words, pa.string(), mask=rng.random(ROWS) < 0.1)
    source = sent(tmp_path, pa.table(table))
    declared = {"label": "label", "continuous": tuple(f"I{i}" for i in range(1, 14))}
    sentences = refused(source, tmp_path / "out", **declared)
    assert len(sentences) == 13
    assert "column 'I1' in" in sentences[0]
    assert "--fill I1=zero" in sentences[0]
    dataset = prepare(source, tmp_path / "out", **declared, fill={"I*": "zero"}, kind="random")
    rows = rows_of(dataset)
    assert rows.num_rows == ROWS
    assert len(dataset.info.schema.continuous) == 13
    distinct = {name: len(set(table[name].drop_null().to_pylist())) + 1 for name in table if name[0] == "C"}
    assert cardinalities(dataset) == distinct
    filled = table["I2"].fill_null(0).to_numpy()
    assert sorted(rows["I2"].to_numpy()) == sorted(filled)
    assert filled.min() == -3


def test_float_ids_are_refused_until_they_are_said_to_be_ids(tmp_path: Path) -> None:
    source = sent(tmp_path, click_log(user=with_nan(column("user"))), row_group_size=50)
    [sentence] = refused(source, tmp_path / "out")
    for part in ("'user'", "a.parquet", "40 missing or NaN", "--fill user=", "--single-hot user --categorify user"):
        assert part in sentence
    dataset = prepare(source, tmp_path / "out", single_hot=("user",), categorify=("user",))
    assert cardinalities(dataset)["user"] == 32


def test_a_second_file_adds_no_second_nan(tmp_path: Path) -> None:
    table = click_log(user=with_nan(column("user")))
    dataset = prepare(sent(tmp_path, table, table), tmp_path / "out", single_hot=("user",), categorify=("user",))
    assert cardinalities(dataset)["user"] == 32
    assert "80 NaN values are one category" in said_of(dataset, "user")


def test_decimals_are_numbers(tmp_path: Path) -> None:
    quarters = pa.array([decimal.Decimal(i) / 4 for i in range(ROWS)], pa.decimal128(10, 2))
    dataset = prepare(sent(tmp_path, click_log(price=quarters)), tmp_path / "out")
    assert dataset.info.schema.continuous == ("price",)
    assert sorted(rows_of(dataset)["price"].to_pylist()) == [i / 4 for i in range(ROWS)]


def test_lists_of_a_fixed_size_are_bags(tmp_path: Path) -> None:
    last = np.random.default_rng(3).integers(0, 50, (ROWS, 4))
    frame = pl.DataFrame(click_log()).with_columns(pl.Series("last4", last.tolist(), dtype=pl.Array(pl.Int64, 4)))
    (tmp_path / "in").mkdir()
    frame.write_parquet(tmp_path / "in/a.parquet")
    dataset = prepare(tmp_path / "in", tmp_path / "out", multi_hot=("last4",))
    assert cardinalities(dataset) == {**BASE, "last4": 50}
    assert sorted(rows_of(dataset)["last4"].to_pylist()) == sorted(last.tolist())


def test_binary_that_is_text_is_read_as_text(tmp_path: Path) -> None:
    binary = pa.array([city.encode() for city in cities()], pa.binary())
    dataset = prepare(sent(tmp_path, click_log(city=binary)), tmp_path / "out")
    assert cardinalities(dataset) == {**BASE, "city": 5}


def test_an_embedding_is_never_made_ids(tmp_path: Path) -> None:
    vectors = np.random.default_rng(5).random((ROWS, 8), np.float32)
    source = sent(tmp_path, click_log(vector=pa.array(vectors.tolist(), pa.list_(pa.float32()))))
    dataset = prepare(source, tmp_path / "out")
    assert cardinalities(dataset) == BASE
    [decision] = [decision for decision in dataset.info.decisions if decision.subject == "vector"]
    assert decision.keep == "--vector vector"
    dense = prepare(source, tmp_path / "dense", vector=("vector",))
    places = [f"vector.{i}" for i in range(8)]
    assert dense.info.schema.continuous == ("price", *places)
    written = np.stack([rows_of(dense)[name].to_numpy() for name in places], axis=1)
    np.testing.assert_array_equal(np.sort(written, axis=0), np.sort(vectors, axis=0))


def test_the_types_of_polars_are_read(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pl.DataFrame(click_log()).with_columns(
        pl.Series("city", cities(), dtype=pl.Categorical),
        pl.Series("town", cities(seed=2), dtype=pl.Enum(CITIES)),
        pl.col("user").cast(pl.UInt8),
        pl.col("item").cast(pl.Int16),
        pl.Series("words", [[city, "x"] for city in cities(seed=3)]),
        pl.Series("genres", [[city, "Drama"] for city in cities()], dtype=pl.List(pl.Categorical)),
        pl.col("clicked").cast(pl.Boolean),
    ).write_parquet(tmp_path / "in/a.parquet")
    dataset = prepare(tmp_path / "in", tmp_path / "out")
    assert cardinalities(dataset) == {**BASE, "city": 5, "town": 5, "words": 6, "genres": 6}
    assert set(map(len, rows_of(dataset)["genres"].to_pylist())) == {2}
    assert sorted(rows_of(dataset)["clicked"].to_pylist()) == sorted(map(float, column("clicked").to_pylist()))


def test_times_are_left_out_by_name_with_a_way_to_keep_them(tmp_path: Path) -> None:
    n = np.arange(ROWS)
    table = click_log(
        day=pa.array(n.astype(np.int32), pa.date32()),
        seen=pa.array(n, pa.timestamp("us", "Europe/Oslo")),
        took=pa.array(n, pa.duration("ms")),
        at=pa.array(n.astype(np.int32), pa.time32("s")),
    )
    source = sent(tmp_path, table)
    dataset = prepare(source, tmp_path / "out")
    assert cardinalities(dataset) == BASE
    kept = {decision.subject: decision.keep for decision in dataset.info.decisions}
    for name in ("day", "seen", "took", "at"):
        assert f"--continuous {name}" in kept[name]
    seconds = rows_of(prepare(source, tmp_path / "s", continuous=("day", "seen", "took", "at")))
    assert sorted(seconds["day"].to_numpy()) == pytest.approx(n * 86_400)
    assert sorted(seconds["seen"].to_numpy()) == pytest.approx(n / 1e6)
    assert sorted(seconds["took"].to_numpy()) == pytest.approx(n / 1e3)
    assert sorted(seconds["at"].to_numpy()) == pytest.approx(n)
    ids = prepare(source, tmp_path / "ids", single_hot=("day",), categorify=("day", "seen"))
    assert (cardinalities(ids)["day"], cardinalities(ids)["seen"]) == (ROWS + 1, ROWS + 1)


def test_a_list_of_lists_is_left_out(tmp_path: Path) -> None:
    sessions = pa.array([[[1, 2], [3]]] * ROWS, pa.list_(pa.list_(pa.int64())))
    dataset = prepare(sent(tmp_path, click_log(sessions=sessions)), tmp_path / "out")
    assert cardinalities(dataset) == BASE
    assert said_of(dataset, "sessions")[0].startswith("left out (list<")


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    raw = [city.encode("latin-1") for city in cities()]
    offsets = np.cumsum([0, *map(len, raw)]).astype(np.int32)
    text = pa.StringArray.from_buffers(ROWS, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"".join(raw)))
    [sentence] = refused(sent(tmp_path, click_log(city=text)), tmp_path / "out")
    for part in ("'city'", "a.parquet", "not UTF-8", "--drop city"):
        assert part in sentence


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = click_log()
    joined = pa.Table.from_arrays([*table.columns, table["user"]], [*table.column_names, "user"])
    [sentence] = refused(sent(tmp_path, joined), tmp_path / "out")
    assert "a.parquet has two columns called 'user'" in sentence


def test_odd_names_are_names(tmp_path: Path) -> None:
    table = click_log(more=np.arange(ROWS) % 4, last=np.arange(ROWS) % 3, x=np.arange(ROWS) % 2)
    names = ["user.id", "user", "tags, all", "[price] €", "did click?", "", "<b>日本</b>", "item.id"]
    dataset = prepare(sent(tmp_path, table.rename_columns(names)), tmp_path / "out", label="did click?")
    assert cardinalities(dataset) == {"user.id": 30, "user": 50, "tags, all": 9, "": 4, "<b>日本</b>": 3, "item.id": 2}
    assert dataset.info.schema.continuous == ("[price] €",)


def test_all_faults_of_an_input_come_together(tmp_path: Path) -> None:
    table = click_log(
        user=pa.array([None, *range(1, ROWS)]), item=pa.array([-1] * ROWS), price=pa.array([1e300] * ROWS)
    )
    sentences = refused(sent(tmp_path, table), tmp_path / "out")
    assert [sentence.split("'")[1] for sentence in sentences] == ["user", "item", "price"]
