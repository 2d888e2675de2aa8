"""Which column is what: the user's declarations, completed from the files' types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from feedrate.bench.datasets.parquet_files import common_schema, find_files
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["single-hot", "multi-hot", "continuous", "label"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredColumns:
    """What the user says of the columns; the label is required, the rest is inferred from types."""

    label: str
    single_hot: tuple[str, ...] = ()
    multi_hot: tuple[str, ...] = ()
    continuous: tuple[str, ...] = ()
    categorify: tuple[str, ...] = ()
    """Columns whose values become ids by frequency."""
    drop: tuple[str, ...] = ()
    """Columns to leave out."""

    @property
    def options(self) -> dict[str, str]:
        """Each column that is declared, with the option that declares it."""
        return {
            **dict.fromkeys(self.single_hot, "--single-hot"),
            **dict.fromkeys(self.multi_hot, "--multi-hot"),
            **dict.fromkeys(self.continuous, "--continuous"),
            self.label: "--label",
            **dict.fromkeys(self.drop, "--drop"),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column is what, declared or inferred."""

    label: str
    single_hot: tuple[str, ...] = ()
    multi_hot: tuple[str, ...] = ()
    continuous: tuple[str, ...] = ()
    categorify: frozenset[str] = frozenset()
    """Columns whose values become ids by frequency. The other categorical columns hold ids already."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Columns that are left out, each with its type."""

    def kinds(self) -> dict[str, Kind]:
        """Return the kind of each column that is kept."""
        return {
            **dict.fromkeys(self.single_hot, "single-hot"),
            **dict.fromkeys(self.multi_hot, "multi-hot"),
            **dict.fromkeys(self.continuous, "continuous"),
            self.label: "label",
        }


def infer_columns(path: Path, declared: DeclaredColumns) -> Columns:
    """Complete the declarations: lists are multi-hot, floats continuous, integers and text single-hot.

    Text becomes ids in any case. Raises FeedrateError for a declaration that does not fit the files.
    """
    import pyarrow.types as types

    schema = common_schema(find_files(path))
    _refuse_unknown(path, schema, declared)
    single, multi, dense = list(declared.single_hot), list(declared.multi_hot), list(declared.continuous)
    left_out = {name: str(schema.field(name).type) for name in declared.drop}
    for column in schema:
        if column.name in declared.options:
            continue
        if is_list(column.type):
            multi.append(column.name)
        elif types.is_floating(column.type):
            dense.append(column.name)
        elif _is_id_like(column.type):
            single.append(column.name)
        else:
            left_out[column.name] = str(column.type)
    _refuse_unfit(schema, declared, {*single, *multi})
    if not (single or multi or dense):
        raise FeedrateError(f"{path} has no column besides the label {declared.label!r} to learn from")
    text = [name for name in (*single, *multi) if not types.is_integer(value_type(schema.field(name).type))]
    return Columns(
        label=declared.label,
        single_hot=tuple(single),
        multi_hot=tuple(multi),
        continuous=tuple(dense),
        categorify=frozenset((*declared.categorify, *text)),
        left_out=left_out,
    )


def _refuse_unknown(path: Path, schema: pa.Schema, declared: DeclaredColumns) -> None:
    """Raise FeedrateError for a declared column that the files do not have, or that is declared twice."""
    options = declared.options
    for name in (*options, *declared.categorify):
        if name not in schema.names:
            raise FeedrateError(
                f"{path} has no column {name!r} ({options.get(name, '--categorify')}): it has {', '.join(schema.names)}"
            )
    names = [*declared.single_hot, *declared.multi_hot, *declared.continuous, *declared.drop, declared.label]
    duplicates = [name for name in options if names.count(name) > 1]
    if duplicates:
        raise FeedrateError(f"column {duplicates[0]!r} is declared with two kinds: declare it once")


def _refuse_unfit(schema: pa.Schema, declared: DeclaredColumns, categorical: set[str]) -> None:
    """Raise FeedrateError for a declared kind that the column's type cannot have."""
    for name in declared.multi_hot:
        if not is_list(schema.field(name).type):
            raise FeedrateError(f"column {name!r} is {schema.field(name).type}, not a list: it cannot be --multi-hot")
    for name in declared.single_hot:
        kind = schema.field(name).type
        if not _is_id_like(kind) and name not in declared.categorify:
            raise FeedrateError(f"column {name!r} is {kind}, which has no ids: it cannot be --single-hot")
        if _is_nested(kind):
            raise FeedrateError(f"column {name!r} is {kind}, not one value per row: it cannot be --single-hot")
    for name in declared.categorify:
        if name not in categorical:
            raise FeedrateError(
                f"column {name!r} is neither single-hot nor multi-hot, and --categorify makes ids of these kinds only"
            )


def is_list(kind: Any) -> bool:
    """Whether an Arrow type is a list of any length."""
    import pyarrow.types as types

    return bool(types.is_list(kind) or types.is_large_list(kind))


def value_type(kind: Any) -> Any:
    """Return the type of the values in a list or dictionary, or the type itself."""
    import pyarrow.types as types

    return kind.value_type if is_list(kind) or types.is_dictionary(kind) else kind


def _is_nested(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_nested(kind))


def _is_id_like(kind: Any) -> bool:
    import pyarrow.types as types

    value = value_type(kind)
    return bool(
        types.is_integer(value) or types.is_string(value) or types.is_large_string(value) or types.is_boolean(value)
    )
