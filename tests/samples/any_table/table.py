"""A hypothesis strategy for a user's tables: any columns that Arrow can write, in one to five Parquet files, with options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from feedrate.bench.datasets.tables.declared import DeclaredColumns, Fill
from tests.samples.any_table import values as any_values
from tests.samples.any_table.column import any_columns, column_of, rarely
from tests.samples.any_table.reading import Part

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
    folders: tuple[str, ...]
    """The folder of each file, such as "3/key=a"; empty: none."""
    keys: tuple[Mapping[str, Part], ...]
    """The column in the name of each file's folder, with its one value."""

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write the files, and return their paths in the order of the files."""
        paths = tuple(folder / inner / f"f{place}.parquet" for place, inner in enumerate(self.folders))
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        for path, table, options in zip(paths, self.files, self.writing, strict=True):
            try:
                pq.write_table(table, path, compression="none", **options)
            except pa.ArrowNotImplementedError:  # Arrow cuts no views of text within structs into row groups
                pq.write_table(table, path, compression="none", **{**options, "row_group_size": None})
        return paths


@st.composite
def any_tables(draw: st.DrawFn, *, raw: bool = False) -> AnyTable:
    """Draw files with a label, numbered rows unless the split is by file, and one to six other columns.

    raw: for a loader, without options and with numbered rows.
    """
    first = draw(st.integers(0 if draw(rarely()) else 1, 4))
    rows = draw(st.permutations([first, *draw(st.lists(st.integers(0, 4), max_size=4))]))
    fitting = draw(st.integers(0, 3)) > 0
    by_file = not raw and sum(count > 0 for count in rows) > 1 and draw(st.booleans())
    names = draw(st.lists(_names(), min_size=2, max_size=7, unique=fitting or not draw(rarely())))
    numbered = not by_file or draw(st.booleans())
    tables: list[list[tuple[str, pa.Array]]] = [[] for _ in rows]
    said: dict[str, list[str]] = {option: [] for option in _OPTIONS}
    fill: dict[str, Fill] = {}
    label, *others = [name for name in names if name != ROW] or ["label"]
    label_above = 0.5 if not raw and draw(rarely()) else None
    _add(tables, label, _label(draw, rows, any_number=label_above is not None))
    for name in others or ["a"]:
        silent = raw or name == label or names.count(name) > 1
        column = draw(any_columns(name, rows, fitting=fitting, silent=silent, raw=raw))
        if column.said_of == label or any(column.said_of in words for words in said.values()):
            column = replace(column, options=())  # a column called a.b, and a field b of a struct a
        for option in column.options:
            said[option].append(column.said_of)
        if column.fill is not None:
            fill[column.said_of] = column.fill
        _add(tables, name, column.parts)
    if numbered:
        starts = [sum(rows[:place]) for place in range(len(rows))]
        _add(
            tables,
            ROW,
            [pa.array(range(start, start + count), pa.int64()) for start, count in zip(starts, rows, strict=True)],
        )
    present = {name for columns in tables for column in columns for name in _flat_names(*column)}
    kinds = {option: tuple(name for name in dict.fromkeys(words) if name in present) for option, words in said.items()}
    return AnyTable(
        files=tuple(_table(draw, columns) for columns in tables),
        writing=tuple(draw(_WRITING) for _ in rows),
        declared=DeclaredColumns(label=label, label_above=label_above, **kinds),
        fill={name: value for name, value in fill.items() if name in present},
        by_file=by_file,
        seed=draw(st.integers(0, 5)),
        **_folders(draw, len(rows), present, keyed=not by_file and not raw and draw(rarely())),
    )


_OPTIONS = ("single_hot", "multi_hot", "continuous", "vector", "categorify", "drop")
_WRITING = st.fixed_dictionaries(
    {
        "store_schema": st.sampled_from([True, True, True, False]),
        "row_group_size": st.sampled_from([100, 100, 1, 2]),
        "use_dictionary": st.booleans(),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
    }
)


_KEY_VALUES: Sequence[tuple[str, Mapping[str, Any]]] = [
    ("integer", {"0": 0, "1": 1, "12": 12}),
    (
        "text",
        {"a": b"a", "x y": b"x y", "1%2Fé": "1/é".encode(), "01": b"01", "1": b"1", "__HIVE_DEFAULT_PARTITION__": None},
    ),
    ("float", {"0.5": 0.5, "-1.25": -1.25}),
    ("date", {"1970-01-02": 86_400 * 10**9, "1970-01-03": 2 * 86_400 * 10**9}),
]


def _folders(draw: st.DrawFn, files: int, columns: set[str], *, keyed: bool) -> dict[str, Any]:
    """Draw the folders of the files, whose names may have a column."""
    key = draw(st.sampled_from(["key", "é k", "a,b", "x=1", "_k", "ids"]))
    if not keyed or key in columns:
        return {"folders": ("",) * files, "keys": ({},) * files}
    family, values = draw(st.sampled_from(_KEY_VALUES))
    chosen = draw(column_of(st.sampled_from(list(values)), files))
    if family == "text":
        chosen[0] = "x y"  # others alone may be numbers
    return {
        "folders": tuple(f"{place}/{quote(key)}={value}" for place, value in enumerate(chosen)),
        "keys": tuple({key: Part(family, [values[value]])} for value in chosen),
    }


def _flat_names(name: str, part: pa.Array) -> list[str]:
    """Return the names of the columns that an array becomes: none without rows, and those of its fields for a struct."""
    if not len(part):
        return []
    if not pa.types.is_struct(part.type):
        return [name]
    fields = zip(part.type, part.flatten(), strict=True)
    return [inner for field, child in fields for inner in _flat_names(f"{name}.{field.name}", child)]


def _names() -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES), st.text(max_size=4))


def _add(tables: Sequence[list[tuple[str, pa.Array]]], name: str, column: Sequence[pa.Array | None]) -> None:
    for columns, part in zip(tables, column, strict=True):
        if part is not None:
            columns.append((name, part))


def _table(draw: st.DrawFn, columns: Sequence[tuple[str, pa.Array]]) -> pa.Table:
    if draw(rarely()):
        columns = draw(st.permutations(columns))
    strict = draw(rarely())
    fields = [
        pa.field(name, part.type, nullable=not strict or part.null_count > 0 or pa.types.is_null(part.type))
        for name, part in columns
    ]
    return pa.Table.from_arrays([part for _, part in columns], schema=pa.schema(fields))


def _label(draw: st.DrawFn, rows: Sequence[int], *, any_number: bool) -> list[pa.Array | None]:
    kind = draw(st.sampled_from([pa.int64(), pa.int8(), pa.float32(), pa.bool_(), pa.decimal128(3, 0), pa.float64()]))
    if any_number or draw(rarely()):
        value = any_values.values(kind, odd=draw(rarely()), nulls=draw(rarely()))
    else:
        value = st.sampled_from([False, True] if pa.types.is_boolean(kind) else [0, 1])
    return [any_values.array(kind, draw(column_of(value, count))) for count in rows]
