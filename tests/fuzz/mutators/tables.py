"""Parquet and CSV files with odd columns, names, types and values."""

from __future__ import annotations

import csv
import decimal
import gzip
import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.mutators.strange_text import REAL, TEXTS, strange_text

ROWS = 60
INT64 = (0, 1, -1, 2**31, -(2**31), 10**12, 2**53 + 1, 2**63 - 1, -(2**63))


def usual_table(path: Path, rows: int = 200) -> None:
    """Write a table of user, item, tags, price and label."""
    table = pa.table(
        {
            "user": [row * 7 % 13 for row in range(rows)],
            "item": [f"i{row % 5}" for row in range(rows)],
            "tags": [[row % 3] * (row % 4) for row in range(rows)],
            "price": [row / 7 for row in range(rows)],
            "label": [row % 2 for row in range(rows)],
        }
    )
    pq.write_table(table, path, row_group_size=64)


def odd_parquet(rng: Random) -> tuple[bytes, list[str]]:
    """Return a Parquet file with a label and a few odd columns, and their names."""
    rows = rng.choice((0, *[ROWS] * 8))
    columns = {"label": pa.array([row % 2 for row in range(rows)])}
    if rng.random() < 0.1:
        columns["label"] = _odd_column(rng, rows)
    for number in range(rng.choice((1, 2, 4))):
        name = strange_text(rng).encode(errors="ignore").decode() if rng.random() < 0.5 else f"c{number}"
        columns[name] = _odd_column(rng, rows)
    if rng.random() < 0.03:
        columns |= {f"many{number}": pa.nulls(rows, pa.int8()) for number in range(rng.choice((500, 3_000)))}
    table = pa.table(list(columns.values()), names=list(columns))
    if rng.random() < 0.03:
        table = table.append_column(rng.choice(table.column_names), table.column(0))
    stream = io.BytesIO()
    compression = rng.choice(("snappy", "none", "gzip", "zstd"))
    pq.write_table(table, stream, row_group_size=rng.choice((1, 7, 1000)), compression=compression)
    return stream.getvalue(), table.column_names


def _odd_column(rng: Random, rows: int) -> pa.Array:
    make = rng.choice(_COLUMNS if rng.random() < 0.4 else _USUAL)
    missing = rng.choice((0, 0, 0, 0, 0.1))
    values = [None if rng.random() < missing else make[1](rng) for _ in range(rows)]
    return pa.array(values, make[0])


def _nested_list(depth: int) -> tuple[pa.DataType, Callable[[Random], Any]]:
    kind, value = pa.int64(), 1
    for _ in range(depth):
        kind, value = pa.list_(kind), [value]  # type: ignore[assignment]
    return kind, lambda rng: value


def _nested_struct(depth: int) -> tuple[pa.DataType, Callable[[Random], Any]]:
    kind: pa.DataType = pa.int64()
    value: Any = 1
    for _ in range(depth):
        kind, value = pa.struct([("a" * 20, kind)]), {"a" * 20: value}
    return kind, lambda rng: value


_COLUMNS: tuple[tuple[pa.DataType, Callable[[Random], Any]], ...] = (
    (pa.int64(), lambda rng: rng.choice(INT64)),
    (pa.int64(), lambda rng: rng.randrange(50)),
    (pa.uint64(), lambda rng: rng.choice((0, 2**64 - 1))),
    (pa.int8(), lambda rng: rng.randrange(-128, 128)),
    (pa.float64(), lambda rng: rng.choice(REAL)),
    (pa.float32(), lambda rng: rng.random()),
    (pa.float16(), lambda rng: rng.random()),
    (pa.string(), lambda rng: strange_text(rng).encode(errors="ignore").decode()),
    (pa.string(), lambda rng: rng.choice("abc")),
    (pa.binary(), lambda rng: rng.randbytes(rng.randrange(20))),
    (pa.bool_(), lambda rng: rng.random() < 0.5),
    (pa.null(), lambda rng: None),
    (pa.date32(), lambda rng: rng.choice((0, 2**31 - 1, -(2**31)))),
    (pa.timestamp("ns"), lambda rng: rng.choice(INT64)),
    (pa.timestamp("us", "Asia/Tokyo"), lambda rng: datetime(2026, 1, 1)),
    (pa.time64("us"), lambda rng: rng.choice((0, 86_399_999_999))),
    (pa.duration("s"), lambda rng: rng.choice(INT64[:5])),
    (pa.decimal128(38, 5), lambda rng: decimal.Decimal(rng.choice((0, 10**30, -1)))),
    (pa.list_(pa.int64()), lambda rng: [rng.choice(INT64)] * rng.choice((0, 1, 5, 500))),
    (pa.list_(pa.string()), lambda rng: [rng.choice("abc")] * rng.randrange(4)),
    (pa.list_(pa.float64(), 3), lambda rng: [1.0, float("nan"), -1.0]),
    (pa.map_(pa.string(), pa.int64()), lambda rng: [("a", 1)]),
    (pa.struct([("x", pa.int64()), ("", pa.string())]), lambda rng: {"x": 1, "": "y"}),
    (pa.dictionary(pa.int8(), pa.string()), lambda rng: rng.choice("abc")),
    _nested_list(3),
    _nested_list(40),
    _nested_struct(5),
    _nested_struct(60),
)


_USUAL = tuple(_COLUMNS[place] for place in (1, 5, 8, 8, 10, 19))


def odd_csv(rng: Random) -> tuple[bytes, list[str]]:
    """Return a CSV file with a label, sometimes packed, and the names of its columns."""
    names = list(dict.fromkeys(["label", "user", "price", *(_cell(rng) for _ in range(rng.choice((0, 1, 3))))]))
    if rng.random() < 0.03:
        names += [f"m{number}" for number in range(rng.choice((400, 20_000)))]
    separator = rng.choice((",", ",", ",", "\t", ";", "|"))
    prices = rng.choice((("0.5", "1", "7.25"), ("0.5", "1", "nan", "1e400", "-0", "007", "9" * 25, "1,5")))
    ragged = rng.random() < 0.1
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator, lineterminator=rng.choice(("\n", "\n", "\n", "\r\n", "\r")))
    writer.writerow(names)
    for row in range(rng.choice((0, *[ROWS] * 8)) if len(names) < 100 else 3):
        cells = [row % 2, row % 7, rng.choice(prices)]
        cells += [_cell(rng) if rng.random() < 0.3 else row for _ in names[3:]]
        writer.writerow(cells[:-1] if ragged and rng.random() < 0.1 else cells)
    encoding = rng.choice((*["utf-8"] * 9, "utf-8-sig", "utf-16", "latin-1"))
    content = stream.getvalue().encode(encoding, errors="replace")
    if rng.random() < 0.02:
        content += b"\n" + b'"' + b"x" * 3_000_000
    return (gzip.compress(content, 1) if rng.random() < 0.1 else content), names


def _cell(rng: Random) -> str:
    return rng.choice(TEXTS).encode(errors="ignore").decode().replace("\x00", "0")
