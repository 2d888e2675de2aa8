"""Restores what NVTabular 23.8 needs and current NumPy, cudf and dask_cudf no longer have, before its first import.

Each repair is applied only if its name is missing. Tested with cudf 26.10 and dask 2024.12.1.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from feedrate.loaders.base import Schema
from feedrate.loaders.errors import FeedrateError

TRIED = {"cudf": "26.10", "dask": "2024.12"}
"""Module -> prefix of the versions that the repairs were tested with."""

_applied: list[str] = []


def applied() -> tuple[str, ...]:
    """Return the names of the repairs that this process needed."""
    return tuple(_applied)


def untried() -> tuple[str, ...]:
    """Return a sentence for each module whose version is not in TRIED. Empty if no repair was applied."""
    if not _applied:
        return ()
    versions = {name: importlib.import_module(name).__version__ for name in TRIED if find_spec(name)}
    return tuple(
        f"nvtabular's repairs were tested with {name} {TRIED[name]}, but this is {name} {version}"
        for name, version in versions.items()
        if not _is(version, TRIED[name])
    )


def repair_neighbours() -> None:
    """Repair NumPy, cudf and dask_cudf. Call this before any import of Merlin."""
    for repair in (numpy_names, cudf_build_column, cudf_build_categorical_column, dask_cudf_without_dask_expr):
        _apply(repair)


def repair_merlin() -> None:
    """Repair merlin.core.dispatch. Call this after its import, and before Merlin's loader imports functions from it."""
    for repair in (merlin_make_series, merlin_pull_apart_list):
        _apply(repair)


def _apply(repair: Callable[[], bool]) -> None:
    if repair() and repair.__name__ not in _applied:
        _applied.append(repair.__name__)


def _is(version: str, beginning: str) -> bool:
    return version == beginning or version.startswith(f"{beginning}.")


def numpy_names() -> bool:
    """Restore numpy.row_stack, in1d and trapz, which numba-cuda still uses. Returns whether one was missing."""
    import numpy as np

    names: dict[str, Callable[[], Callable[..., Any]]] = {
        "row_stack": lambda: np.vstack,
        "in1d": lambda: lambda a, b, **options: np.isin(np.ravel(a), b, **options),
        "trapz": lambda: np.trapezoid,
    }
    missing = [name for name in names if name not in vars(np)]
    for name in missing:
        setattr(np, name, names[name]())
    return bool(missing)


def cudf_build_column() -> bool:
    """Restore cudf.core.column.build_column for Merlin's only use of it: a list column of (offsets, elements)."""
    from cudf.core import column  # pyright: ignore[reportMissingImports]

    if hasattr(column, "build_column"):
        return False

    def build_column(data: object, dtype: object, *, size: int, children: tuple[Any, ...], **options: object) -> Any:
        import pylibcudf as plc  # pyright: ignore[reportMissingImports]

        if data is not None or any(value is not None for value in options.values()) or len(children) != 2:
            raise NotImplementedError(
                f"build_column cannot make a column of {dtype}: it is restored only for lists of offsets and elements"
            )
        parts = [child.plc_column for child in children]
        lists = plc.Column(plc.DataType(plc.TypeId.LIST), size, None, None, 0, 0, parts)
        return column.ColumnBase.from_pylibcudf(lists)

    column.build_column = build_column
    return True


def cudf_build_categorical_column() -> bool:
    """Restore cudf.core.column.build_categorical_column, which the Parquet reader imports.

    It calls the function only for partitioned folders, and then this one raises NotImplementedError.
    """
    from cudf.core import column  # pyright: ignore[reportMissingImports]

    if hasattr(column, "build_categorical_column"):
        return False

    def build_categorical_column(*_arguments: object, **_options: object) -> Any:
        raise NotImplementedError(
            "folders partitioned by a column cannot be read with this cudf: use a folder of plain Parquet files"
        )

    column.build_categorical_column = build_categorical_column
    return True


def dask_cudf_without_dask_expr() -> bool:
    """Load dask_cudf's Parquet engine and backends under an empty package instead of its own __init__.

    Its __init__ needs dask's query planning, which Merlin cannot use.
    """
    if "dask_cudf" in sys.modules or find_spec("dask_expr") is not None:
        return False
    spec = find_spec("dask_cudf")
    if spec is None or spec.submodule_search_locations is None:
        return False
    import cudf  # pyright: ignore[reportMissingImports]
    from dask.dataframe import core  # pyright: ignore[reportMissingImports]
    from dask.dataframe.dispatch import get_parallel_type  # pyright: ignore[reportMissingImports]

    package: Any = types.ModuleType("dask_cudf")
    package.__path__, package.__spec__ = list(spec.submodule_search_locations), spec
    package.DataFrame, package.Series, package.Index = core.DataFrame, core.Series, core.Index
    sys.modules["dask_cudf"] = package
    try:
        package.backends = importlib.import_module("dask_cudf.backends")
        parquet = importlib.import_module("dask_cudf._legacy.io.parquet")
    except Exception:  # otherwise the next attempt would find the empty package and report another error
        del sys.modules["dask_cudf"]
        raise
    package.io = types.ModuleType("dask_cudf.io")
    package.io.parquet = parquet
    sys.modules["dask_cudf.io"], sys.modules["dask_cudf.io.parquet"] = package.io, parquet
    for kind, collection in ((cudf.DataFrame, core.DataFrame), (cudf.Series, core.Series), (cudf.Index, core.Index)):
        get_parallel_type.register(kind, lambda _value, collection=collection: collection)
    return True


def merlin_make_series() -> bool:
    """Let merlin.core.dispatch.make_series accept a cudf column, which cudf.Series no longer does."""
    import cudf  # pyright: ignore[reportMissingImports]
    from cudf.core.column import ColumnBase, ListColumn  # pyright: ignore[reportMissingImports]
    from merlin.core import dispatch  # pyright: ignore[reportMissingImports]

    if hasattr(ListColumn, "offsets"):  # such a cudf also has a Series that accepts a column
        return False
    original = dispatch.make_series

    def make_series(values: Any = None, device: object = None) -> Any:
        if isinstance(values, ColumnBase) and device != "cpu":
            return cudf.Series._from_column(values)
        return original(values, device)

    dispatch.make_series = make_series
    return True


def merlin_pull_apart_list() -> bool:
    """Let merlin.core.dispatch.pull_apart_list work with cudf's list columns, which no longer have offsets.

    The offsets are the running sum of the lists' lengths.
    """
    import cudf  # pyright: ignore[reportMissingImports]
    import cupy
    from cudf.core.column import ListColumn  # pyright: ignore[reportMissingImports]
    from merlin.core import dispatch  # pyright: ignore[reportMissingImports]

    if hasattr(ListColumn, "offsets"):
        return False
    original = dispatch.pull_apart_list

    def pull_apart_list(lists: Any, device: object = None) -> Any:
        if not isinstance(lists, cudf.Series) or isinstance(lists._column.elements, ListColumn):
            return original(lists, device)
        lengths = lists.list.len().to_cupy()
        offsets = cupy.zeros(len(lengths) + 1, lengths.dtype)
        cupy.cumsum(lengths, out=offsets[1:])
        return lists.list.leaves, cudf.Series(offsets)

    dispatch.pull_apart_list = pull_apart_list
    return True


def refuse_names_of_parts(schema: Schema) -> None:
    """Raise FeedrateError if a column has the name under which the library delivers a part of a bag."""
    for column in schema.multi_hot:
        for part in (f"{column.name}__values", f"{column.name}__offsets"):
            if part in schema.columns:
                raise FeedrateError(
                    f"nvtabular delivers a part of the column {column.name!r} under the name {part!r}, which is a column, "
                    "too: rename one of them"
                )
