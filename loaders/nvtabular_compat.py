"""What NVTabular 23.8 expects of NumPy, cudf and dask_cudf and current ones no longer have: put back before its first import.

Each repair is applied only where its name is missing. Tried with cudf 26.10 and dask 2024.12.1.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

TRIED = {"cudf": "26.10", "dask": "2024.12"}
"""Module -> how the versions begin that this was tried with."""

_applied: list[str] = []


def applied() -> tuple[str, ...]:
    """Names of the repairs that this process needed."""
    return tuple(_applied)


def untried() -> tuple[str, ...]:
    """A sentence on each version outside TRIED, where repairs were applied."""
    if not _applied:
        return ()
    found = {name: importlib.import_module(name).__version__ for name in TRIED if find_spec(name)}
    return tuple(
        f"nvtabular's repairs were tried with {name} {TRIED[name]}, and this is {version}"
        for name, version in found.items()
        if not _is(version, TRIED[name])
    )


def repair_neighbours() -> None:
    """Before anything of Merlin is imported."""
    for repair in (numpy_names, cudf_build_column, cudf_build_categorical_column, dask_cudf_without_dask_expr):
        _apply(repair)


def repair_merlin() -> None:
    """After merlin.core.dispatch is imported, before its loader, which takes these functions by name."""
    for repair in (merlin_make_series, merlin_pull_apart_list):
        _apply(repair)


def _apply(repair: Callable[[], bool]) -> None:
    if repair() and repair.__name__ not in _applied:
        _applied.append(repair.__name__)


def _is(version: str, beginning: str) -> bool:
    return version == beginning or version.startswith(f"{beginning}.")


def numpy_names() -> bool:
    """row_stack, in1d and trapz, which numba-cuda still names."""
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
    """cudf.core.column.build_column, for the one use that Merlin makes of it: a list column of (offsets, elements)."""
    from cudf.core import column

    if hasattr(column, "build_column"):
        return False

    def build_column(data: object, dtype: object, *, size: int, children: tuple[Any, ...], **others: object) -> Any:
        import pylibcudf as plc

        if data is not None or any(value is not None for value in others.values()) or len(children) != 2:
            raise NotImplementedError(
                f"build_column of {dtype} is not restored: only lists of offsets and elements are"
            )
        parts = [child.plc_column for child in children]
        lists = plc.Column(plc.DataType(plc.TypeId.LIST), size, None, None, 0, 0, parts)
        return column.ColumnBase.from_pylibcudf(lists)

    column.build_column = build_column
    return True


def cudf_build_categorical_column() -> bool:
    """cudf.core.column.build_categorical_column: imported with the Parquet reader, called only for partitioned folders."""
    from cudf.core import column

    if hasattr(column, "build_categorical_column"):
        return False

    def build_categorical_column(*_arguments: object, **_options: object) -> Any:
        raise NotImplementedError("reading a folder partitioned by a column is not restored for this cudf")

    column.build_categorical_column = build_categorical_column
    return True


def dask_cudf_without_dask_expr() -> bool:
    """dask_cudf's Parquet engine and backends under a bare package: its own __init__ wants query planning, which Merlin has not."""
    if "dask_cudf" in sys.modules or find_spec("dask_expr") is not None:
        return False
    spec = find_spec("dask_cudf")
    if spec is None or spec.submodule_search_locations is None:
        return False
    import cudf
    from dask.dataframe import core
    from dask.dataframe.dispatch import get_parallel_type

    package: Any = types.ModuleType("dask_cudf")
    package.__path__, package.__spec__ = list(spec.submodule_search_locations), spec
    package.DataFrame, package.Series, package.Index = core.DataFrame, core.Series, core.Index
    sys.modules["dask_cudf"] = package
    try:
        package.backends = importlib.import_module("dask_cudf.backends")
        parquet = importlib.import_module("dask_cudf._legacy.io.parquet")
    except Exception:  # or the next try would find the bare package and say something else
        del sys.modules["dask_cudf"]
        raise
    package.io = types.ModuleType("dask_cudf.io")
    package.io.parquet = parquet
    sys.modules["dask_cudf.io"], sys.modules["dask_cudf.io.parquet"] = package.io, parquet
    for kind, parallel in ((cudf.DataFrame, core.DataFrame), (cudf.Series, core.Series), (cudf.Index, core.Index)):
        get_parallel_type.register(kind, lambda _value, parallel=parallel: parallel)
    return True


def merlin_make_series() -> bool:
    """merlin.core.dispatch.make_series, of a cudf column too: cudf.Series no longer takes one."""
    import cudf
    from cudf.core.column import ColumnBase, ListColumn
    from merlin.core import dispatch

    if hasattr(ListColumn, "offsets"):  # of the same age as a Series that takes a column
        return False
    original = dispatch.make_series

    def make_series(values: Any = None, device: object = None) -> Any:
        if isinstance(values, ColumnBase) and device != "cpu":
            return cudf.Series._from_column(values)
        return original(values, device)

    dispatch.make_series = make_series
    return True


def merlin_pull_apart_list() -> bool:
    """merlin.core.dispatch.pull_apart_list for cudf: a list column no longer has offsets, but its lists have lengths."""
    import cudf
    import cupy
    from cudf.core.column import ListColumn
    from merlin.core import dispatch

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
