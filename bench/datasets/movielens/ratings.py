"""MovieLens' files of ratings: CSV, `::`, TSV or Parquet, read as text with the types given here, never inferred.

Memory: Polars' streaming engine reads them into 12 bytes per row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feedrate.bench.datasets.movielens.columns import MAX_ID, find_columns
from feedrate.bench.datasets.movielens.files import format_of
from feedrate.bench.datasets.movielens.text import open_plain, require_short_line
from feedrate.loaders.error_text import one_line
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("userId", "movieId", "rating")
NOT_IN_TEXT = "\x01"
"""A separator that no line has, so a line is read as one column."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """All ratings, in the source's order, with the source's ids."""

    user: np.ndarray
    movie: np.ndarray
    stars: np.ndarray
    """float32."""


def read_ratings(path: Path) -> Ratings:
    """Read userId, movieId and rating. Blank lines are no ratings; ids may be written as 7.0, ratings as 4 or 4.0.

    Raises FeedrateError for a file that is incomplete or damaged, and for ids or ratings that are missing, broken or out
    of range, with the first such line.
    """
    import polars as pl

    try:
        rows = _rows(path)
        usable = pl.col("surplus").is_null()
        typed = rows.filter(~pl.col("blank")).select(_id("userId"), _id("movieId"), _stars(), usable=usable)
        frame = typed.collect(engine="streaming")
        if sum(frame.null_count().row(0)) or not frame["usable"].all():
            raise FeedrateError(_first_bad(path, rows))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = one_line((str(error).strip() or type(error).__name__).splitlines()[0], 120)
        raise FeedrateError(f"{path} is not a MovieLens ratings file: {reason}. Download or write it again") from error
    if frame.height == 0:
        raise FeedrateError(f"{path} has no ratings: pass a file that has some")
    return Ratings(frame["userId"].to_numpy(), frame["movieId"].to_numpy(), frame["rating"].to_numpy())


def _rows(path: Path) -> pl.LazyFrame:
    """userId, movieId and rating as text without spaces around it.

    blank: whether the whole line is empty. surplus: fields after those that the first line has, else null.
    """
    import polars as pl

    kind = format_of(path.name)
    if kind in ("dat", "tsv"):
        frame = _scan_without_header(path, "::" if kind == "dat" else "\t")
    else:
        with open_plain(path) as content:  # refuses what Polars would unpack into the memory
            if kind == "csv":
                require_short_line(content, path)
        # only other columns can have bytes that are not UTF-8: a number with such a byte is refused later
        scan = (
            pl.scan_parquet(path, glob=False)
            if kind == "parquet"
            else pl.scan_csv(path, infer_schema=False, encoding="utf8-lossy", glob=False)
        )
        names = find_columns(scan.collect_schema().names(), COLUMNS, path)
        # `blank` takes every column, and only then does Polars refuse a line with more fields than the header
        frame = scan.select(
            **{column: pl.col(name).cast(pl.String) for column, name in names.items()},
            blank=pl.lit(False) if kind == "parquet" else pl.all_horizontal(pl.all().is_null()),
            surplus=pl.lit(None, pl.String()),
        )
    return frame.with_columns(pl.col(*COLUMNS).str.strip_chars(" "))


def _scan_without_header(path: Path, separator: str) -> pl.LazyFrame:
    import polars as pl

    with open_plain(path) as file:
        first = file.readline(10_000)
    fields = first.count(separator.encode()) + 1
    if fields < len(COLUMNS):
        raise FeedrateError(
            f"{path}, line 1, is not a rating: {one_line(repr(first)[1:], 80)}. "
            f"A line has userId, movieId and rating, separated by {separator!r}"
        )
    lines = pl.scan_csv(
        path,
        separator=NOT_IN_TEXT,
        has_header=False,
        schema={"line": pl.String()},
        quote_char=None,
        encoding="utf8-lossy",
        glob=False,
    )
    parts = pl.col("line").str.splitn(separator, fields + 1)
    return lines.select(
        **{column: parts.struct[number] for number, column in enumerate(COLUMNS)},
        blank=pl.col("line").is_null(),
        surplus=parts.struct[fields],
    )


def _id(column: str) -> pl.Expr:
    """The column as int32, null if it is not a whole number from 0 to MAX_ID."""
    import polars as pl

    number = pl.col(column).cast(pl.Float64, strict=False)
    usable = number.is_between(0, MAX_ID) & (number == number.floor())
    return pl.when(usable).then(number).cast(pl.Int32).alias(column)


def _stars() -> pl.Expr:
    """The rating as float32, null if it is not a finite number."""
    import polars as pl

    number = pl.col("rating").cast(pl.Float32, strict=False)
    return pl.when(number.is_finite()).then(number).alias("rating")


def _first_bad(path: Path, rows: pl.LazyFrame) -> str:
    """Return a sentence about the first line that is neither a rating nor blank."""
    import polars as pl

    broken = {
        "userId": _id("userId").is_null(),
        "movieId": _id("movieId").is_null(),
        "rating": _stars().is_null(),
        "surplus": pl.col("surplus").is_not_null(),
    }
    bad = rows.with_row_index("row", offset=1).filter(~pl.col("blank") & pl.any_horizontal(*broken.values())).head(1)
    row = (
        bad.with_columns(**{f"{name} is broken": wrong for name, wrong in broken.items()}).collect().row(0, named=True)
    )
    column = next(name for name in broken if row[f"{name} is broken"])
    kind = format_of(path.name)
    place = f"{path}, row {row['row']}" if kind == "parquet" else f"{path}, line {row['row'] + (kind == 'csv')}"
    value = one_line(repr(row[column]), 60) if row[column] else "empty"
    if column == "surplus":
        return f"{place}: it has more fields than line 1, from {value} on. Correct or remove it"
    if column == "rating":
        return f"{place}: {column} is {value}, not a number. Correct or remove it"
    other_ids = ", or have any ids replaced: `feedrate prepare parquet --categorify`" if row[column] else ""
    return f"{place}: {column} is {value}, not a whole number from 0 to {MAX_ID}. Correct or remove it{other_ids}"
