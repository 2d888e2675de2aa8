"""CSV and TSV files as Parquet, so that one path reads both. A column has the narrowest type that keeps every text as it is.

Integers with leading zeros stay text ("007" is not "7"), and so does a column with one value that is no number.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import polars as pl

from feedrate.loaders.errors import Faults, FeedrateError
from feedrate.loaders.parquet.discovery import DataFile, DataFiles
from feedrate.loaders.parquet.open_file import short

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
    quoting: bool = True
    """Whether double quotes enclose a field. False: they are characters like any other."""
    types: tuple[pl.DataType, ...] = ()
    """Types of the columns, for `names`. Empty: inferred from all values."""
    known_types: Mapping[str, pl.DataType] = field(default_factory=dict)
    """Types of columns by name, for files with a header. Those of the others are inferred."""


def as_parquet(
    found: DataFiles, csv_format: CsvFormat, scratch: Path, format_of: Callable[[Path], CsvFormat] | None = None
) -> DataFiles:
    """Write each CSV file to `scratch` as Parquet. Parquet files stay where they are.

    format_of: returns how a file is to be read instead, or raises FeedrateError.
    Raises FeedrateError for files that are no text, whose lines differ in length or whose columns have one name.
    """
    if not found.files or found.files[0].format == "parquet":
        return found
    faults: list[str] = []
    frames: list[tuple[DataFile, pl.LazyFrame]] = []
    types: dict[str, pl.DataType] = {}
    for file in found.files:
        try:
            file_format = format_of(file.path) if format_of else csv_format
            frames.append((file, _scan(file, file_format)))
            types.update(zip(file_format.names, file_format.types, strict=False))
            types.update(file_format.known_types)
        except FeedrateError as error:
            faults.append(str(error))
    if faults:
        raise Faults(faults)
    kinds = _kinds([frame for _, frame in frames], [file for file, _ in frames], types)
    return replace(
        found, files=tuple(_written(file, frame, kinds, scratch, i) for i, (file, frame) in enumerate(frames))
    )


def _scan(file: DataFile, csv_format: CsvFormat) -> pl.LazyFrame:
    """Return the file as text columns."""
    header = first_line(file.path)
    separator = csv_format.separator or separator_of(file.path, header)
    names = csv_format.names or split_line(header, separator)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise FeedrateError(f"{file.path} has two columns called {twice[0]!r}: rename one of them")
    return pl.scan_csv(
        file.path,
        separator=separator,
        has_header=not csv_format.names,
        new_columns=list(names),
        quote_char='"' if csv_format.quoting else None,
        infer_schema=False,
        null_values=["", *csv_format.null_values],
        glob=False,
    )


def first_line(path: Path) -> str:
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


def split_line(line: str, separator: str) -> tuple[str, ...]:
    """Return the fields of a line, which may be quoted."""
    return tuple(next(csv.reader([line], delimiter=separator), []))


def separator_of(path: Path, header: str) -> str:
    """Guess the separator from the file's name and first line."""
    if ".tsv" in path.name.lower():
        return "\t"
    return max(_SEPARATORS, key=lambda sign: (header.count(sign), -_SEPARATORS.index(sign)))


def _kinds(
    frames: Sequence[pl.LazyFrame], files: Sequence[DataFile], types: Mapping[str, pl.DataType]
) -> dict[str, pl.DataType]:
    """Return the type of each column: that of `types`, or one that keeps the values of all files."""
    fits: dict[str, list[bool]] = {}
    some: dict[str, bool] = {}
    for file, frame in zip(files, frames, strict=True):
        for name, flags in _fits(file, frame.drop(types, strict=False)).items():
            known = fits.setdefault(name, [True] * len(_PATTERNS))
            fits[name] = [before and flag for before, flag in zip(known, flags[1:], strict=True)]
            some[name] = some.get(name, False) or flags[0]
    inferred = {name: _first_fit(flags) if some[name] else pl.String() for name, flags in fits.items()}
    return {**inferred, **types}


def _first_fit(flags: Sequence[bool]) -> pl.DataType:
    return next((kind for (_, kind), fits in zip(_PATTERNS, flags, strict=True) if fits), pl.String())


def _fits(file: DataFile, frame: pl.LazyFrame) -> dict[str, list[bool]]:
    """Return, for each column, whether it has a value, and whether all values match each pattern."""
    names = frame.collect_schema().names()
    if not names:
        return {}
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
        raise _unreadable(file, error) from error
    width = len(_PATTERNS) + 1
    return {name: [bool(flag) for flag in row[i * width : (i + 1) * width]] for i, name in enumerate(names)}


def _written(
    file: DataFile, frame: pl.LazyFrame, kinds: dict[str, pl.DataType], scratch: Path, number: int
) -> DataFile:
    path = scratch / f"{number:05}.parquet"
    columns = [_typed(name, kinds[name]) for name in frame.collect_schema().names()]
    try:
        frame.select(columns).sink_parquet(path, row_group_size=1 << 18, compression="lz4")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(file, error) from error
    return replace(file, path=path, format="parquet", origin=file.path)


def _typed(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind == pl.Boolean:
        return column.str.to_lowercase() == "true"
    if kind == pl.Datetime:
        return column.str.replace("T", " ").str.to_datetime(time_unit="us")
    return column.str.to_date() if kind == pl.Date else column.cast(kind)


def _unreadable(file: DataFile, error: Exception) -> FeedrateError:
    if isinstance(error, OSError):
        return FeedrateError(f"{file.path} cannot be read to its end ({short(error)}): write or copy it again")
    return FeedrateError(f"{file.path} cannot be read as CSV: {short(error)}")
