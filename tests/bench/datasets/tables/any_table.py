"""A hypothesis strategy for a user's tables: any columns that Arrow can write, in one to five Parquet files, with options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from feedrate.bench.datasets.tables.declared import DeclaredColumns, Fill
from tests.bench.datasets.tables import any_values

INTEGERS = [pa.int64(), pa.int32(), pa.int16(), pa.int8(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
FLOATS = [pa.float64(), pa.float32(), pa.float16()]
DECIMALS = [
    *(pa.decimal128(9, 2), pa.decimal128(38, 10), pa.decimal128(5, 0), pa.decimal32(5, 2), pa.decimal64(15, 3)),
    *(pa.decimal256(76, 20), pa.decimal256(76, 0), pa.decimal256(40, 1)),
]
DICTIONARY = pa.dictionary(pa.int32(), pa.string())
TEXTS = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    DICTIONARY,
    pa.dictionary(pa.int8(), pa.large_string()),
    pa.json_(),
]
BYTES = [
    pa.binary(),
    pa.large_binary(),
    pa.binary_view(),
    pa.binary(4),
    pa.uuid(),
    pa.dictionary(pa.int32(), pa.binary()),
]
FLAGS = [pa.bool_(), pa.bool8()]
DATES = [pa.date32(), pa.date64()]
TIMES = [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]
INSTANTS = [pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")]
ZONED = [pa.timestamp(unit, zone) for unit in ("s", "us", "ns") for zone in ("UTC", "Europe/Rome", "+05:30")]
DURATIONS = [pa.duration(unit) for unit in ("s", "ms", "us", "ns")]
FLAT = [INTEGERS, FLOATS, DECIMALS, TEXTS, BYTES, FLAGS, DATES, TIMES, INSTANTS, ZONED, DURATIONS]
MIXED = [[*INTEGERS, *FLOATS], [*INTEGERS, *FLOATS, *DECIMALS], [*TEXTS, *BYTES], [pa.null()]]
OTHERS = [
    *(pa.map_(pa.string(), pa.int32()), pa.list_(pa.struct([("x", pa.int32())])), pa.list_(pa.list_(pa.int32()))),
    *(
        pa.list_view(pa.list_(DICTIONARY, 2)),
        pa.list_(pa.map_(pa.string(), pa.int32())),
        pa.opaque(pa.int32(), "a", "b"),
    ),
    pa.fixed_shape_tensor(pa.float32(), [2]),
]
NAMES = [
    *(
        "a",
        "a.b",
        "a.b.c",
        "b",
        "",
        " ",
        "é",
        "名前",
        "🙂",
        "it's",
        'say "hi"',
        "[x]",
        "a[0]",
        "*",
        "?x",
        "label",
        "#tags",
    ),
    *(
        "x=1",
        "a,b",
        "a\tb",
        "a\nb",
        "__index_level_0__",
        "train",
        "ids",
        "%s",
        "{x}",
        "C:\\n",
        "l.list.element",
        "n" * 200,
    ),
]
ROW = "row number"


@dataclass(frozen=True, slots=True)
class AnyTable:
    """What to write, and what to ask for."""

    files: tuple[pa.Table, ...]
    writing: tuple[Mapping[str, Any], ...]
    """Options of pq.write_table for each file."""
    declared: DeclaredColumns
    fill: Mapping[str, Fill]
    by_file: bool
    """Whether the last file with rows is the validation split; otherwise rows are drawn."""
    seed: int

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write the files, and return their paths in the order of the files."""
        paths = tuple(folder / f"f{place}.parquet" for place in range(len(self.files)))
        for path, table, options in zip(paths, self.files, self.writing, strict=True):
            try:
                pq.write_table(table, path, compression="none", **options)
            except pa.ArrowNotImplementedError:  # Arrow cuts no views of text within structs into row groups
                pq.write_table(table, path, compression="none", **{**options, "row_group_size": None})
        return paths


@dataclass(slots=True)
class _Said:
    """What is said of columns so far."""

    single_hot: list[str] = field(default_factory=list)
    multi_hot: list[str] = field(default_factory=list)
    continuous: list[str] = field(default_factory=list)
    vector: list[str] = field(default_factory=list)
    categorify: list[str] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    fill: dict[str, Fill] = field(default_factory=dict)


@st.composite
def any_tables(draw: st.DrawFn) -> AnyTable:
    """Draw files with a label, numbered rows unless the split is by file, and one to six other columns."""
    first = draw(st.integers(0 if draw(_rarely()) else 1, 4))
    rows = draw(st.permutations([first, *draw(st.lists(st.integers(0, 4), max_size=4))]))
    by_file = sum(count > 0 for count in rows) > 1 and draw(st.booleans())
    names = draw(st.lists(_names(), min_size=2, max_size=7, unique=draw(_rarely()) is False))
    numbered = not by_file or draw(st.booleans())
    tables: list[list[tuple[str, pa.Array]]] = [[] for _ in rows]
    said = _Said()
    label, *others = [name for name in names if name != ROW] or ["label"]
    label_above = 0.5 if draw(_rarely()) else None
    _add(tables, label, _label(draw, rows, any_number=label_above is not None))
    for name in others or ["a"]:
        column = _column(draw, rows, said, name, label)
        if len(column) > 1 and draw(_rarely()):
            column[draw(st.integers(0, len(column) - 1))] = None
        _add(tables, name, column)
    if numbered:
        starts = [sum(rows[:place]) for place in range(len(rows))]
        _add(
            tables,
            ROW,
            [pa.array(range(start, start + count), pa.int64()) for start, count in zip(starts, rows, strict=True)],
        )
    present = {name for columns in tables for column in columns for name in _flat_names(*column)}
    kinds = {kind: tuple(name for name in getattr(said, kind) if name in present) for kind in _KINDS}
    return AnyTable(
        files=tuple(_table(draw, columns) for columns in tables),
        writing=tuple(draw(_WRITING) for _ in rows),
        declared=DeclaredColumns(label=label, label_above=label_above, **kinds),
        fill={name: fill for name, fill in said.fill.items() if name in present},
        by_file=by_file,
        seed=draw(st.integers(0, 5)),
    )


_KINDS = ("single_hot", "multi_hot", "continuous", "vector", "categorify", "drop")
_WRITING = st.fixed_dictionaries(
    {
        "store_schema": st.sampled_from([True, True, True, False]),
        "row_group_size": st.sampled_from([100, 100, 1, 2]),
        "use_dictionary": st.booleans(),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
    }
)


def _flat_names(name: str, part: pa.Array) -> list[str]:
    """Return the names of the columns that an array becomes: none without rows, and those of its fields for a struct."""
    if not len(part):
        return []
    if not pa.types.is_struct(part.type):
        return [name]
    fields = zip(part.type, part.flatten(), strict=True)
    return [inner for field, child in fields for inner in _flat_names(f"{name}.{field.name}", child)]


def _rarely() -> st.SearchStrategy[bool]:
    return st.sampled_from([False] * 11 + [True])


def _names() -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES), st.text(max_size=4))


def _add(tables: Sequence[list[tuple[str, pa.Array]]], name: str, column: Sequence[pa.Array | None]) -> None:
    for columns, part in zip(tables, column, strict=True):
        if part is not None:
            columns.append((name, part))


def _table(draw: st.DrawFn, columns: Sequence[tuple[str, pa.Array]]) -> pa.Table:
    if draw(_rarely()):
        columns = draw(st.permutations(columns))
    strict = draw(_rarely())
    fields = [
        pa.field(name, part.type, nullable=not strict or part.null_count > 0 or pa.types.is_null(part.type))
        for name, part in columns
    ]
    return pa.Table.from_arrays([part for _, part in columns], schema=pa.schema(fields))


def _label(draw: st.DrawFn, rows: Sequence[int], *, any_number: bool) -> list[pa.Array | None]:
    kind = draw(st.sampled_from([pa.int64(), pa.int8(), pa.float32(), pa.bool_(), pa.decimal128(3, 0), pa.float64()]))
    if any_number or draw(_rarely()):
        value = any_values.values(kind, odd=draw(_rarely()), nulls=draw(_rarely()))
    else:
        value = st.sampled_from([False, True] if pa.types.is_boolean(kind) else [0, 1])
    return [any_values.array(kind, draw(_column_of(value, count))) for count in rows]


def _column(draw: st.DrawFn, rows: Sequence[int], said: _Said, name: str, label: str) -> list[pa.Array | None]:
    """Draw the column's arrays, one for each file, and what is said of it."""
    makes = draw(_themes())
    nested = draw(st.sampled_from(["flat", "flat", "flat", "list", "list", "struct"]))
    name = f"{name}.b" if nested == "struct" else name
    known = name == label or any(name in getattr(said, option) for option in _KINDS)
    said_of_it = () if known else draw(st.sampled_from(_SAYINGS[nested]))
    for option in said_of_it:
        getattr(said, option).append(name)
    if draw(st.integers(0, 5)) == 0 or (said_of_it and draw(st.integers(0, 3)) == 0):
        said.fill[name] = draw(st.sampled_from(["zero", "median", "mean", "empty", 1.0, 2.5, -1.0]))
    odd = draw(st.sampled_from([False, False, False, True] if not said_of_it else [False, True]))
    wishes_nulls = bool(said_of_it) or name in said.fill or makes not in _NO_NULLS
    nulls = draw(st.booleans()) if wishes_nulls else draw(_rarely())
    shape = draw(st.sampled_from(_LISTS)) if nested == "list" else None
    first = _shaped(draw, draw(st.sampled_from(makes)), nested, shape)
    column: list[pa.Array | None] = []
    for count in rows:
        kind = first
        change = draw(st.integers(0, 19))
        if change < 5:
            kind = _shaped(draw, draw(st.sampled_from(makes)), nested, draw(st.sampled_from(_LISTS)) if shape else None)
        elif change == 5:
            kind = pa.null()
        elif change == 6 and draw(_rarely()):
            kind = draw(st.sampled_from(draw(_themes())))
        column.append(any_values.array(kind, draw(_column_of(any_values.values(kind, odd=odd, nulls=nulls), count))))
    return column


_NO_NULLS = (INTEGERS, FLOATS, DECIMALS, *MIXED[:2])
_SAYINGS: Mapping[str, Sequence[tuple[str, ...]]] = {
    "flat": [
        *[()] * 8, ("single_hot", "categorify"), ("categorify",), ("single_hot",), ("continuous",), ("drop",), ("multi_hot",),
    ],
    "list": [
        *[()] * 6, ("multi_hot", "categorify"), ("multi_hot",), ("vector",), ("vector",), ("categorify",), ("drop",),
    ],
    "struct": [*[()] * 6, ("single_hot", "categorify"), ("continuous",), ("drop",)],
}  # fmt: skip
_LISTS = ["list", "list", "large_list", "fixed", "view", "large_view"]


def _themes() -> st.SearchStrategy[list[pa.DataType]]:
    return st.sampled_from([INTEGERS, *FLAT, *MIXED, OTHERS])


def _shaped(draw: st.DrawFn, kind: pa.DataType, nested: str, shape: str | None) -> pa.DataType:
    """Return the type itself, a list of it or a struct with it."""
    if nested == "struct":
        deep = pa.struct([("a", kind), ("b.c", pa.string())])
        return draw(st.sampled_from([pa.struct([("b", kind)]), pa.struct([("", deep), ("b", kind)])]))
    if shape is None:
        return kind
    makes = {
        "list": pa.list_,
        "large_list": pa.large_list,
        "fixed": lambda value: pa.list_(value, 2),
        "view": pa.list_view,
        "large_view": pa.large_list_view,
    }
    return makes[shape](kind)


def _column_of(value: st.SearchStrategy[Any], count: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(value, min_size=count, max_size=count)
