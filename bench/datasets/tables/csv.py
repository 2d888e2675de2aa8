"""CSV and TSV files as Parquet, so that one path reads both. A column has the narrowest type that keeps every text as it is.

Integers with leading zeros stay text ("007" is not "7"), and so does a column with one value that is no number.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import polars as pl

from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.discovery import DataFile, DataFiles
from feedrate.loaders.parquet.table_files import short

_PATTERNS: tuple[tuple[str, pl.DataType], ...] = (
    (r"^(0|-?[1-9]\d{0,17})$", pl.Int64()),
    (r"(?i)^[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)(e[+-]?\d+)?$|^[+-]?(nan|inf|infinity)$", pl.Float64()),
    (r"(?i)^(true|false)$", pl.Boolean()),
    (r"^\d{4}-\d\d-\d\d$", pl.Date()),
    (r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?$", pl.Datetime("us")),
)
"""Types in the order in which they are tried, each with the texts that it keeps. Else a column is text."""
_SEPARATORS = ",\t;|"


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFormat:
    """How CSV files are read."""

    null_values: tuple[str, ...] = ()
    """Texts that stand for missing values, besides the empty one."""
    names: tuple[str, ...] = ()
    """Names of the columns of files without a header. Empty: the first line has the names."""
    separator: str = ""
    """One character. Empty: tab for .tsv, else the one of comma, tab, semicolon and bar that the first line has most of."""
    types: tuple[pl.DataType, ...] = ()
    """Types of the columns, for `names`. Empty: inferred from all values."""


def as_parquet(found: DataFiles, csv_format: CsvFormat, scratch: Path) -> DataFiles:
    """Write each CSV file to `scratch` as Parquet. Parquet files stay where they are.

    Raises FeedrateError for files that are no text, whose lines differ in length or whose columns have one name.
    """
    if not found.files or found.files[0].format == "parquet":
        return found
    frames = [(file, _scan(file, csv_format)) for file in found.files]
    kinds = _kinds([frame for _, frame in frames], [file for file, _ in frames], csv_format)
    return replace(
        found, files=tuple(_written(file, frame, kinds, scratch, i) for i, (file, frame) in enumerate(frames))
    )


def _scan(file: DataFile, csv_format: CsvFormat) -> pl.LazyFrame:
    """Return the file as text columns."""
    header = _first_line(file.path)
    separator = csv_format.separator or _separator(file.path, header)
    names = list(csv_format.names) or next(csv.reader([header], delimiter=separator), [])
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise FeedrateError(f"{file.path} has two columns called {twice[0]!r}: rename one of them")
    return pl.scan_csv(
        file.path,
        separator=separator,
        has_header=not csv_format.names,
        new_columns=names or None,
        infer_schema=False,
        null_values=["", *csv_format.null_values],
        glob=False,
    )


def _first_line(path: Path) -> str:
    """Return the first line. Raises FeedrateError for an empty file and one that is not text."""
    try:
        with _unpacked(path) as file:
            line = file.readline(1 << 20)
    except (OSError, EOFError, pl.exceptions.PolarsError) as error:
        raise FeedrateError(f"{path} cannot be read: {short(error)}") from error
    if not line.strip():
        raise FeedrateError(f"{path} is empty: its first line should name the columns")
    try:
        return line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise FeedrateError(f"{path} is not UTF-8 text: convert it, for instance with iconv") from error


def _unpacked(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        magic = file.read(4)
    if magic.startswith(b"\x1f\x8b"):
        return io.BufferedReader(gzip.GzipFile(path))
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        import pyarrow as pa

        return io.BufferedReader(pa.CompressedInputStream(path, "zstd"))
    return path.open("rb")


def _separator(path: Path, header: str) -> str:
    if ".tsv" in path.name.lower():
        return "\t"
    return max(_SEPARATORS, key=lambda sign: (header.count(sign), -_SEPARATORS.index(sign)))


def _kinds(frames: Sequence[pl.LazyFrame], files: Sequence[DataFile], csv_format: CsvFormat) -> dict[str, pl.DataType]:
    """Return the type of each column, which keeps the values of all files."""
    if csv_format.types:
        return dict(zip(csv_format.names, csv_format.types, strict=True))
    fits: dict[str, list[bool]] = {}
    some: dict[str, bool] = {}
    for file, frame in zip(files, frames, strict=True):
        for name, flags in _fits(file, frame).items():
            known = fits.setdefault(name, [True] * len(_PATTERNS))
            fits[name] = [before and flag for before, flag in zip(known, flags[1:], strict=True)]
            some[name] = some.get(name, False) or flags[0]
    return {name: _first_fit(flags) if some[name] else pl.String() for name, flags in fits.items()}


def _first_fit(flags: Sequence[bool]) -> pl.DataType:
    return next((kind for (_, kind), fits in zip(_PATTERNS, flags, strict=True) if fits), pl.String())


def _fits(file: DataFile, frame: pl.LazyFrame) -> dict[str, list[bool]]:
    """Return, for each column, whether it has a value, and whether all values match each pattern."""
    names = frame.collect_schema().names()
    tests = [
        test.alias(f"{i} {j}")
        for i, name in enumerate(names)
        for j, test in enumerate(
            [pl.col(name).is_not_null().any(), *(pl.col(name).str.contains(pattern).all() for pattern, _ in _PATTERNS)]
        )
    ]
    try:
        row = frame.select(tests).collect(engine="streaming").row(0)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise FeedrateError(f"{file.path} cannot be read as CSV: {short(error)}") from error
    width = len(_PATTERNS) + 1
    return {name: [bool(flag) for flag in row[i * width : (i + 1) * width]] for i, name in enumerate(names)}


def _written(
    file: DataFile, frame: pl.LazyFrame, kinds: dict[str, pl.DataType], scratch: Path, number: int
) -> DataFile:
    path = scratch / f"{number:05}.parquet"
    columns = [_typed(name, kinds[name]) for name in frame.collect_schema().names()]
    try:
        frame.select(columns).sink_parquet(path, row_group_size=1 << 18)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise FeedrateError(f"{file.path} cannot be read as CSV: {short(error)}") from error
    return replace(file, path=path, format="parquet", origin=file.path)


def _typed(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind == pl.Boolean:
        return column.str.to_lowercase() == "true"
    if kind == pl.Datetime:
        return column.str.replace("T", " ").str.to_datetime(time_unit="us")
    return column.str.to_date() if kind == pl.Date else column.cast(kind)
