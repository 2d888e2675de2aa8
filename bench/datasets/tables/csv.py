"""CSV and TSV files as Parquet, so that one path reads both.

Every line must have as many fields as the first. Types are those of csv_types.py. Large files are read in ranges.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from feedrate.bench.datasets.csv_file import CsvFile, CsvFormat, cut_off, unpacked
from feedrate.bench.datasets.parts.runner import IN_PROCESS, PartRunner
from feedrate.bench.datasets.tables.csv_types import ColumnTypes, CsvType, typed
from feedrate.loaders.errors import Faults, FeedrateError, repeated
from feedrate.loaders.parquet.discovery import DataFile, DataFiles
from feedrate.loaders.parquet.limits import require_few_columns, require_short_names
from feedrate.loaders.parquet.open_file import short

_SEPARATORS = ",\t;|"
_EXCEL_SEPARATOR = re.compile(r'"?sep=(.)"?$')
"""A first line that Excel writes and reads: it names the separator."""
_MAGIC = {
    b"PAR1": "is a Parquet file: rename it to .parquet",
    b"PK\x03\x04": "is a zip or Excel file: unpack it, or save it as CSV",
    b"\xff\xfe": "is UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text: save it as UTF-8",
    b"BZh": "is compressed by bzip2: unpack it",
    b"\xfd7zXZ": "is compressed by xz: unpack it",
}


def as_parquet(
    found: DataFiles,
    csv_format: CsvFormat,
    scratch: Path,
    format_of: Callable[[Path], CsvFormat] | None = None,
    texts: Collection[str] = frozenset(),
    runner: PartRunner = IN_PROCESS,
) -> DataFiles:
    """Write each CSV file to `scratch` as Parquet. Parquet files stay where they are.

    format_of: returns how a file is to be read instead, or raises FeedrateError.
    texts: columns that stay text, even if all their values are numbers.
    Raises Faults for files that are no text, whose lines differ in length or whose columns have one name.
    """
    if not found.files or found.files[0].format == "parquet":
        if csv_format.null_values:
            raise FeedrateError("--null-values is for CSV files, and these are Parquet files: leave it out")
        return found
    files, faults = [], []
    for data in found.files:
        try:
            files.append(_opened(data, format_of(data.path) if format_of else csv_format))
        except FeedrateError as error:
            faults.append(str(error))
    if faults:
        raise Faults(faults)
    ranges = _in_ranges(files, runner)
    types, notes = _types(ranges, runner)
    types.update((name, None) for name in texts)
    targets = [scratch / f"{i:05}-{_digest(part, types)}.parquet" for i, part in enumerate(ranges)]
    for _ in runner.run(_write, types, zip(ranges, targets, strict=True)):
        pass  # what a part makes is a file
    written = (
        replace(part.data, path=target, format="parquet", origin=part.data.path)
        for part, target in zip(ranges, targets, strict=True)
    )
    return replace(found, files=tuple(written), notes=(*found.notes, *notes))


def _opened(data: DataFile, csv_format: CsvFormat) -> CsvFile:
    """Read the header. Raises FeedrateError for an empty file, and one that is not text."""
    path, head = data.path, _head(data.path)
    first, separator = _first_line(path, head), csv_format.separator
    excel = _EXCEL_SEPARATOR.match(first)
    if excel:
        separator, head = separator or excel[1], head.partition(b"\n")[2]
        first = _first_line(path, head)
    separator = separator or separator_of(path, first)
    names = csv_format.names or _names(path, head, separator)
    require_few_columns(path, len(names))
    require_short_names(path, names)
    if twice := repeated(names):
        raise FeedrateError(f"{path} has two columns called {twice[0]!r}: rename one of them")
    status = path.stat()
    state = (status.st_size, status.st_mtime_ns)
    return CsvFile(
        data=data,
        path=path.absolute(),
        state=state,
        separator=separator,
        names=names,
        sep_line=bool(excel),
        csv_format=csv_format,
    )


def first_line(path: Path) -> str:
    """Return the first line. Raises FeedrateError for an empty file and one that is not text."""
    return _first_line(path, _head(path))


def split_line(path: Path, line: str, separator: str) -> tuple[str, ...]:
    """Return the fields of the first line of a file, which may be quoted."""
    return _names(path, line.encode(), separator)


def separator_of(path: Path, header: str) -> str:
    """Guess the separator from the file's name and first line."""
    if ".tsv" in path.name.lower():
        return "\t"
    plain = re.sub(r'"[^"]*"', "", header)
    return max(_SEPARATORS, key=lambda sign: (plain.count(sign), -_SEPARATORS.index(sign)))


def _head(path: Path) -> bytes:
    try:
        with unpacked(path) as stream:
            return bytes(stream.read(1 << 20))
    except OSError as error:
        raise cut_off(path, error) from error


def _first_line(path: Path, head: bytes) -> str:
    if not head.strip():
        raise FeedrateError(f"{path} is empty: its first line should name the columns")
    what = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), "")
    if what:
        raise FeedrateError(f"{path} {what}")
    try:
        return head.splitlines()[0].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FeedrateError(f"{path} is not UTF-8 text: convert it, for instance with iconv") from error


def _names(path: Path, head: bytes, separator: str) -> tuple[str, ...]:
    """Return the fields of the first line, which may be quoted and hold line ends. Raises FeedrateError if it has none."""
    text = io.StringIO(head.decode("utf-8-sig", "replace"), newline="")
    try:
        return tuple(next(csv.reader(text, delimiter=separator), []))
    except csv.Error as error:
        raise FeedrateError(f"{path} has a first line that is not CSV: {error}") from error


Types = dict[str, CsvType | pl.DataType | None]


def _in_ranges(files: Sequence[CsvFile], runner: PartRunner) -> list[CsvFile]:
    """Cut large files into ranges. A file with a quote stays whole, since the quote might enclose a line end."""
    cut = [(file, file.ranges()) for file in files]
    candidates = [part for _file, parts in cut if len(parts) > 1 for part in parts]
    quoted = {path for path in runner.run(_with_quotes, None, candidates) if path is not None}
    return [part for file, parts in cut for part in ((file,) if file.path in quoted else parts)]


def _with_quotes(_shared: None, part: CsvFile) -> Iterator[Path | None]:
    """Yield the file of a part that has a quote, else None."""
    yield part.path if part.has_quotes() else None


def _types(files: Sequence[CsvFile], runner: PartRunner) -> tuple[Types, Sequence[str]]:
    """Return the type of each column, which keeps the values of all files unless a format has it, and what to say of them."""
    types: dict[str, pl.DataType] = {}
    for file in files:
        types.update(zip(file.csv_format.names, file.csv_format.types, strict=False))
        types.update(file.csv_format.known_types)
    decimal_comma = all(file.separator == ";" for file in files)
    learned = ColumnTypes(decimal_comma=decimal_comma)
    faults: dict[Path, str] = {}
    for part, of_part in zip(files, runner.run(_learn, (tuple(types), decimal_comma), files), strict=True):
        if isinstance(of_part, ColumnTypes):
            learned.merge(of_part)
        else:
            faults.setdefault(part.path, of_part)
    if faults:
        raise Faults(list(faults.values()))
    return {**learned.types, **types}, learned.notes


def _learn(known: tuple[tuple[str, ...], bool], file: CsvFile) -> Iterator[ColumnTypes | str]:
    """Yield the types of the columns of a file whose types are not known, or what is wrong with the file."""
    names, learned = [name for name in file.names if name not in known[0]], ColumnTypes(decimal_comma=known[1])
    learned.add(pl.DataFrame(schema=dict.fromkeys(names, pl.String)))
    try:
        for frame in file.frames() if names else ():
            learned.add(frame.select(names))
    except FeedrateError as error:
        yield str(error)
    else:
        yield learned


def _write(types: Types, item: tuple[CsvFile, Path]) -> Iterator[None]:
    """Write a file as Parquet. It is whole once it has its name."""
    file, target = item
    columns = typed(file.names, types)
    schema = pl.DataFrame(schema=dict.fromkeys(file.names, pl.String)).select(columns).to_arrow().schema
    partial = target.with_suffix(f".{secrets.token_hex(4)}")
    with pq.ParquetWriter(partial, schema, compression="lz4") as writer:
        for frame in file.frames():
            try:
                writer.write_table(frame.select(columns).to_arrow().cast(schema))
            except pl.exceptions.PolarsError as error:
                raise FeedrateError(f"{file.data.path} cannot be read as CSV: {short(error)}") from error
    partial.rename(target)
    yield


def _digest(file: CsvFile, types: Types) -> str:
    """Return what tells one way to read a file from another."""
    content = repr((file, [types[name] for name in file.names]))
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
