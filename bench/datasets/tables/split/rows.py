"""Which rows are for validation: drawn at random, by user, by time, or by the file that they are in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from feedrate.bench.datasets.tables.categories import keys
from feedrate.bench.datasets.tables.declared import SplitOptions
from feedrate.bench.datasets.tables.split.roles import Role
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.arrow_types import converted, is_numeric, is_time
from feedrate.loaders.parquet.table_files import TableFile, Tables

Chooser = Callable[[TableFile, int], np.ndarray]
"""Called with a chunk's file and rows, chunk by chunk in file order. Returns bool [rows]: whether a row is for validation."""


def chooser(tables: Tables, options: SplitOptions, of_file: Mapping[Path, Role] | None, seed: int) -> Chooser:
    """Return what tells the rows for validation. Raises FeedrateError for a column of the split that cannot be used.

    By time or user it reads these columns first and keeps 8 to 24 bytes a row meanwhile, then one.
    """
    if of_file is not None:
        return lambda file, rows: np.full(rows, of_file[file.data.shown] == "valid")
    rng = np.random.default_rng(seed)
    if options.kind == "time":
        return _in_order(_last_by_time(_times(tables, options.time_column), options))
    if options.kind == "user-last":
        times = _times(tables, options.time_column) if options.time_column else None
        return _in_order(_last_of_users(_users(tables, options.group_by), times))
    if options.group_by:
        users = _users(tables, options.group_by)
        number = users.rank("dense").to_numpy().astype(np.int64) - 1
        return _in_order((rng.random(int(number.max()) + 1) < options.valid_fraction)[number])
    return lambda _file, rows: rng.random(rows) < options.valid_fraction


def _in_order(valid: np.ndarray) -> Chooser:
    """Cut bool [all rows] into the chunks as they come."""
    place = 0

    def choose(_file: TableFile, rows: int) -> np.ndarray:
        nonlocal place
        place += rows
        return valid[place - rows : place]

    return choose


def _times(tables: Tables, name: str) -> np.ndarray:
    column = _column(tables, name)
    if not (is_numeric(column.type) or is_time(column.type)):
        raise FeedrateError(f"--time-column {name} is {column.type}, not a number or a time")
    return keys(column).to_numpy() if not pa.types.is_decimal(column.type) else column.cast(pa.float64()).to_numpy()


def _users(tables: Tables, name: str) -> pl.Series:
    column = _column(tables, name)
    if pa.types.is_large_list(column.type):
        raise FeedrateError(f"--group-by {name} is a list, but must be one value per row")
    return keys(column)


def _column(tables: Tables, name: str) -> pa.Array:
    """Read a whole column. Raises FeedrateError if it has missing values or cannot be read as one type."""
    column = tables.columns[name]
    if name in tables.faults:
        raise FeedrateError(tables.faults[name])
    if column.kind is None:
        raise FeedrateError(f"column {name!r} is {column.stored}, by which rows cannot be split")
    parts = []
    for file, table in tables.chunks([name]):
        try:
            part = converted(table[name], column.kind)
        except pa.ArrowException as error:
            raise FeedrateError(
                f"column {name!r} in {file.data.shown} cannot be read as {column.kind}: {error}"
            ) from error
        missing = part.null_count
        if pa.types.is_floating(part.type):
            missing += int(np.isnan(part.to_numpy(zero_copy_only=False)).sum()) - part.null_count
        if missing:
            raise FeedrateError(
                f"column {name!r} in {file.data.shown} has {missing} missing values: rows cannot be split by it"
            )
        parts.append(part)
    return pa.concat_arrays(parts)


def _last_by_time(times: np.ndarray, options: SplitOptions) -> np.ndarray:
    """Return the last rows: as near to the asked share as rows of one time, which stay together, allow.

    Raises FeedrateError if all rows have one time.
    """
    wanted = len(times) * options.valid_fraction
    place = min(len(times) - 1, int(len(times) - wanted))
    border = np.partition(times, place)[place]
    choices = [valid for valid in (times >= border, times > border) if valid.any() and not valid.all()]
    if not choices:
        raise FeedrateError(f"--time-column {options.time_column} has the same value in every row")
    return min(choices, key=lambda valid: abs(float(np.count_nonzero(valid)) - wanted))


def _last_of_users(users: pl.Series, times: np.ndarray | None) -> np.ndarray:
    """Return the last row of each user who has more than one. Of several at the same time it is the last in the files."""
    rows = pl.DataFrame({"user": users, "row": pl.arange(0, len(users), eager=True)})
    if times is not None:
        rows = rows.with_columns(time=pl.Series(times)).sort("time", "row")
    last = rows.group_by("user", maintain_order=True).agg(pl.col("row").last(), pl.len().alias("rows"))
    valid = np.zeros(len(users), bool)
    valid[last.filter(pl.col("rows") > 1)["row"].to_numpy()] = True
    return valid
