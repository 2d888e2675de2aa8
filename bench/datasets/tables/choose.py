"""Which column is what: the user's declarations, completed from the files' types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as types

from feedrate.bench.datasets.tables.declared import DeclaredColumns, Kind
from feedrate.loaders.parquet.arrow_types import BYTES, INTEGER, NUMBER, TEXT, is_numeric, is_time
from feedrate.loaders.parquet.table_files import Column, Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a column is taken for."""

    name: str
    kind: Kind
    read_as: pa.DataType
    """The meaning in which its values are read."""
    categorify: bool = False
    """Whether values become ids by frequency. Other categorical columns hold ids already."""
    declared: bool = False
    """Whether the user said so."""
    stored: str = ""
    """The type in the files."""
    mixed: str = ""
    """Files that have it as an integer and as another kind of number, with both types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A column that the dataset will not have."""

    name: str
    why: str
    keep: str = ""
    """The options that would keep it; empty if none does."""
    declared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Every column of the files, as it is taken."""

    kept: Mapping[str, Choice]
    left_out: tuple[LeftOut, ...]
    faults: tuple[str, ...]
    """Declarations that do not fit the types, a sentence each."""


def choose(tables: Tables, declared: DeclaredColumns) -> Choices:
    """Complete the declarations: lists are multi-hot, floats continuous, integers and text single-hot.

    declared: with patterns resolved. Text becomes ids in any case, and so does every column that is to be categorified.
    """
    kinds = declared.kinds
    kept: dict[str, Choice] = {}
    left_out: list[LeftOut] = []
    faults: list[str] = []
    for name, column in tables.columns.items():
        if name in declared.drop:
            left_out.append(LeftOut(name=name, why=column.stored, keep=declared.keep.get(name, ""), declared=True))
        elif name in tables.faults:
            way_out = "name only files that have it" if name == declared.label else f"leave it out with --drop {name}"
            faults.append(f"{tables.faults[name]}, or {way_out}")
        elif name in kinds:
            fault = _misfit(column, kinds[name], categorify=name in declared.categorify)
            if fault:
                faults.append(fault)
            else:
                kept[name] = _choice(column, kinds[name], declared)
        else:
            choice = _inferred(column, declared)
            if isinstance(choice, LeftOut):
                left_out.append(choice)
            else:
                kept[name] = choice
    if not faults and not any(choice.kind != "label" for choice in kept.values()):
        faults.append(f"there is no column besides the label {declared.label!r} to learn from")
    return Choices(kept=kept, left_out=tuple(left_out), faults=tuple(faults))


def _inferred(column: Column, declared: DeclaredColumns) -> Choice | LeftOut:
    """Choose a kind for a column that the user did not declare, or leave it out."""
    name, kind = column.name, column.kind
    if name in declared.categorify and kind is not None:
        return _choice(column, "multi-hot" if types.is_large_list(kind) else "single-hot", declared)
    as_ids = f"--single-hot {name} --categorify {name}"
    if kind is None:
        return LeftOut(name=name, why=column.stored)
    if column.index:
        whole = types.is_integer(kind) or kind in (TEXT, BYTES)
        keep = f"--single-hot {name}" if whole else as_ids
        return LeftOut(name=name, why=f"pandas' index, {column.stored}", keep=name and keep)
    if types.is_null(kind):
        return LeftOut(name=name, why="no values", keep=name and as_ids)
    if is_time(kind):
        return LeftOut(name=name, why=column.stored, keep=f"{as_ids}, or --continuous {name} for seconds")
    if types.is_large_list(kind):
        if is_number(kind.value_type):
            return LeftOut(name=name, why=column.stored, keep=f"--vector {name}")
        if is_time(kind.value_type):
            return LeftOut(name=name, why=column.stored, keep=f"--multi-hot {name} --categorify {name}")
        return _choice(column, "multi-hot", declared)
    return _choice(column, "continuous" if is_number(kind) else "single-hot", declared)


def _choice(column: Column, kind: Kind, declared: DeclaredColumns) -> Choice:
    read_as: pa.DataType = column.kind
    value = read_as.value_type if types.is_large_list(read_as) else read_as
    text = value in (TEXT, BYTES) or types.is_boolean(value)
    categorify = kind in ("single-hot", "multi-hot") and (text or column.name in declared.categorify)
    if kind in ("continuous", "label") and (is_numeric(read_as) or types.is_boolean(read_as)):
        read_as = NUMBER
    elif kind == "vector":
        read_as = pa.large_list(NUMBER)
    elif types.is_null(value):  # declared, and without a value anywhere
        read_as = pa.large_list(INTEGER) if types.is_large_list(read_as) or kind == "multi-hot" else INTEGER
    return Choice(
        name=column.name,
        kind=kind,
        read_as=read_as,
        categorify=categorify,
        declared=column.name in declared.kinds,
        stored=column.stored,
        mixed=column.mixed,
    )


def _misfit(column: Column, kind: Kind, *, categorify: bool) -> str:
    """Say why a declared kind does not fit the column's type; empty if it does."""
    if column.kind is None:
        return f"column {column.name!r} is {column.stored}, which no kind of column can hold: leave it out with --drop {column.name}"
    if categorify and kind not in ("single-hot", "multi-hot"):
        return f"column {column.name!r} is declared as {kind}, and --categorify makes ids: declare it with one of them"
    return _MISFITS[kind](column, categorify)


def _single_misfit(column: Column, categorify: bool) -> str:
    name, kind = column.name, column.kind
    if types.is_large_list(kind):
        return f"column {name!r} is {column.stored}, not one value per row: declare it as --multi-hot {name}"
    return _not_ids(column, kind, categorify, "--single-hot")


def _multi_misfit(column: Column, categorify: bool) -> str:
    name = column.name
    kind: pa.DataType = column.kind
    if types.is_null(kind):
        return ""
    if not types.is_large_list(kind):
        return f"column {name!r} is {column.stored}, not a list: it cannot be --multi-hot"
    return _not_ids(column, kind.value_type, categorify, "--multi-hot")


def _not_ids(column: Column, kind: pa.DataType, categorify: bool, option: str) -> str:
    if categorify or not (is_number(kind) or is_time(kind)):
        return ""
    name = column.name
    return f"column {name!r} is {column.stored}, which has no ids: add --categorify {name} to {option} {name}"


def _number_misfit(column: Column, _categorify: bool) -> str:
    name, kind = column.name, column.kind
    if types.is_large_list(kind):
        return f"column {name!r} is {column.stored}, not one number per row: declare it as --vector {name}"
    if is_numeric(kind) or types.is_boolean(kind) or types.is_null(kind) or is_time(kind):
        return ""
    return f"column {name!r} is {column.stored}, not a number: it cannot be --continuous"


def _vector_misfit(column: Column, _categorify: bool) -> str:
    name = column.name
    kind: pa.DataType = column.kind
    if types.is_large_list(kind) and is_numeric(kind.value_type):
        return ""
    return f"column {name!r} is {column.stored}, not a list of numbers: it cannot be --vector"


def _label_misfit(column: Column, _categorify: bool) -> str:
    name, kind = column.name, column.kind
    if is_numeric(kind) or types.is_boolean(kind):
        return ""
    return f"the label, column {name!r}, is {column.stored}, not a number: write it as 0 and 1"


def is_number(kind: pa.DataType) -> bool:
    """Whether a meaning is a float or a decimal."""
    return is_numeric(kind) and not types.is_integer(kind)


_MISFITS: Mapping[Kind, Callable[[Column, bool], str]] = {
    "single-hot": _single_misfit,
    "multi-hot": _multi_misfit,
    "continuous": _number_misfit,
    "vector": _vector_misfit,
    "label": _label_misfit,
}
