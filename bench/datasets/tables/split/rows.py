"""Which rows are for validation: drawn at random, by user, by time, or by the file that they are in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from feedrate.bench.datasets.options import DEFAULTS, PrepareOptions
from feedrate.bench.datasets.parts.runner import PartRunner
from feedrate.bench.datasets.tables.categories import keys
from feedrate.bench.datasets.tables.declared import SplitOptions
from feedrate.bench.datasets.tables.split.roles import Role
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.arrow_types import converted, is_numeric, is_time
from feedrate.loaders.parquet.table_files import Tables
from feedrate.loaders.parquet.table_parts import TablePart

Chooser = Callable[[Path, int], np.ndarray]
"""Called with the user's file and the number of the next rows, in file order. Returns bool [rows]: whether a row is for validation."""


def chooser(
    tables: Tables, split: SplitOptions, of_file: Mapping[Path, Role] | None, options: PrepareOptions = DEFAULTS
) -> Chooser:
    """Return what tells the rows for validation. Raises FeedrateError for a column of the split that cannot be used.

    By time or user it reads these columns first and keeps 8 to 24 bytes a row meanwhile, then one.
    """
    if of_file is not None:
        return lambda file, rows: np.full(rows, of_file[file] == "valid")
    rng = np.random.default_rng(options.seed)
    if split.kind == "time":
        return _in_order(_last_by_time(_times(tables, split.time_column, options.runner), split))
    if split.kind == "user-last":
        times = _times(tables, split.time_column, options.runner) if split.time_column else None
        return _in_order(_last_of_users(_users(tables, split.group_by, options.runner), times))
    if split.group_by:
        users = _users(tables, split.group_by, options.runner)
        number = users.rank("dense").to_numpy().astype(np.int64) - 1
        return _in_order((rng.random(int(number.max()) + 1) < split.valid_fraction)[number])
    return lambda _file, rows: rng.random(rows) < split.valid_fraction


def _in_order(valid: np.ndarray) -> Chooser:
    """Cut bool [all rows] into the chunks as they come."""
    place = 0

    def choose(_file: Path, rows: int) -> np.ndarray:
        nonlocal place
        place += rows
        return valid[place - rows : place]

    return choose


def _times(tables: Tables, name: str, runner: PartRunner) -> np.ndarray:
    column = _column(tables, name, runner)
    if not (is_numeric(column.type) or is_time(column.type)):
        raise FeedrateError(f"--time-column {name} is {column.type}, not a number or a time")
    return keys(column).to_numpy() if not pa.types.is_decimal(column.type) else column.cast(pa.float64()).to_numpy()


def _users(tables: Tables, name: str, runner: PartRunner) -> pl.Series:
    column = _column(tables, name, runner)
    if pa.types.is_large_list(column.type):
        raise FeedrateError(f"--group-by {name} is a list, but must be one value per row")
    return keys(column)


def _column(tables: Tables, name: str, runner: PartRunner) -> pa.Array:
    """Read a whole column. Raises FeedrateError if it has missing values or cannot be read as one type."""
    column = tables.columns[name]
    if name in tables.faults:
        raise FeedrateError(tables.faults[name])
    if column.kind is None:
        raise FeedrateError(f"column {name!r} is {column.stored}, by which rows cannot be split")
    return pa.concat_arrays(list(runner.run(_values, (name, column.kind), tables.parts([name]))))


def _values(column: tuple[str, pa.DataType], part: TablePart) -> Iterator[pa.Array]:
    """Yield the values of the column in each chunk of a part."""
    name, kind = column
    for table in part.chunks():
        try:
            values = converted(table[name], kind)
        except pa.ArrowException as error:
            raise FeedrateError(f"column {name!r} in {part.shown} cannot be read as {kind}: {error}") from error
        missing = values.null_count
        if pa.types.is_floating(values.type):
            missing += int(np.isnan(values.to_numpy(zero_copy_only=False)).sum()) - values.null_count
        if missing:
            raise FeedrateError(
                f"column {name!r} in {part.shown} has {missing} missing values: rows cannot be split by it"
            )
        yield values


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
