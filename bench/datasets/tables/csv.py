"""CSV and TSV files as Parquet, so that one path reads both.

Every line must have as many fields as the first. Types are those of csv_types.py.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from feedrate.bench.datasets.csv_streams import BoundedText, PaddedLines, WholeLineEnds
from feedrate.bench.datasets.parts.runner import IN_PROCESS, PartRunner
from feedrate.bench.datasets.tables.csv_types import ColumnTypes, CsvType, typed
from feedrate.loaders.errors import Faults, FeedrateError, repeated
from feedrate.loaders.parquet.discovery import DataFile, DataFiles
from feedrate.loaders.parquet.limits import require_few_columns, require_short_names
from feedrate.loaders.parquet.open_file import short

BLOCK_BYTES = 1 << 24
"""Text that is read at a time. No line may be longer."""
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
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


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
    short_lines: bool = False
    """Whether lines may lack their last fields, whose values are then missing. Only without quoting."""
    types: tuple[pl.DataType, ...] = ()
    """Types of the columns, for `names`. Empty: inferred from all values."""
    known_types: Mapping[str, pl.DataType] = field(default_factory=dict)
    """Types of columns by name, for files with a header. Those of the others are inferred."""


@dataclass(frozen=True, slots=True)
class _CsvFile:
    """A CSV file, and how its lines are split."""

    data: DataFile
    separator: str
    names: tuple[str, ...]
    sep_line: bool
    """Whether Excel's line that names the separator stands before the header."""
    csv_format: CsvFormat
    path: Path
    """Absolute, since other processes may have another current folder."""
    state: tuple[int, int]
    """Size and time of change, so that two versions of a file differ."""

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the lines as text columns. Raises FeedrateError for lines of other lengths and text that is not UTF-8."""
        try:
            with _unpacked(self.path) as unbounded:
                stream = BoundedText(unbounded, self.path)
                for batch in self._reader(pa.PythonFile(self._lines(stream), "r")):
                    frame = pl.DataFrame(pl.from_arrow(batch))
                    frame.columns = list(self.names)
                    yield frame
        except OSError as error:
            raise _cut_off(self.data.path, error) from error
        except pa.ArrowException as error:
            raise FeedrateError(f"{self.data.path} cannot be read as CSV: {_reason(error)}") from error

    def _lines(self, stream: BoundedText) -> io.RawIOBase:
        if self.csv_format.short_lines and not self.csv_format.quoting:
            return PaddedLines(stream, self.separator, len(self.names))
        return WholeLineEnds(stream)

    def _reader(self, stream: pa.PythonFile) -> pc.CSVStreamingReader:
        numbers = [str(i) for i in range(len(self.names))]  # Polars renames a column without a name
        return pc.open_csv(
            stream,
            pc.ReadOptions(
                column_names=numbers,
                skip_rows=int(self.sep_line),
                skip_rows_after_names=int(not self.csv_format.names),
                block_size=BLOCK_BYTES,
            ),
            pc.ParseOptions(
                delimiter=self.separator,
                quote_char='"' if self.csv_format.quoting else False,
                newlines_in_values=self.csv_format.quoting,
                ignore_empty_lines=len(self.names) > 1,
            ),
            pc.ConvertOptions(
                column_types=dict.fromkeys(numbers, pa.large_string()),
                strings_can_be_null=True,
                null_values=["", *self.csv_format.null_values],
            ),
        )


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
    types, notes = _types(files, runner)
    types.update((name, None) for name in texts)
    targets = [scratch / f"{i:05}-{_digest(file, types)}.parquet" for i, file in enumerate(files)]
    for _ in runner.run(_write, types, zip(files, targets, strict=True)):
        pass  # a part is a file
    written = (
        replace(file.data, path=target, format="parquet", origin=file.data.path)
        for file, target in zip(files, targets, strict=True)
    )
    return replace(found, files=tuple(written), notes=(*found.notes, *notes))


def _opened(data: DataFile, csv_format: CsvFormat) -> _CsvFile:
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
    return _CsvFile(
        data, separator, names, sep_line=bool(excel), csv_format=csv_format, path=path.absolute(), state=state
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
        with _unpacked(path) as stream:
            return bytes(stream.read(1 << 20))
    except OSError as error:
        raise _cut_off(path, error) from error


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


def _unpacked(path: Path) -> pa.NativeFile:
    with path.open("rb") as file:
        magic = file.read(4)
    packed = next((name for start, name in _COMPRESSED.items() if magic.startswith(start)), None)
    return pa.input_stream(str(path), compression=packed)


Types = dict[str, CsvType | pl.DataType | None]


def _types(files: Sequence[_CsvFile], runner: PartRunner) -> tuple[Types, Sequence[str]]:
    """Return the type of each column, which keeps the values of all files unless a format has it, and what to say of them."""
    types: dict[str, pl.DataType] = {}
    for file in files:
        types.update(zip(file.csv_format.names, file.csv_format.types, strict=False))
        types.update(file.csv_format.known_types)
    decimal_comma = all(file.separator == ";" for file in files)
    learned = ColumnTypes(decimal_comma=decimal_comma)
    faults = []
    for of_file in runner.run(_learn, (tuple(types), decimal_comma), files):
        if isinstance(of_file, ColumnTypes):
            learned.merge(of_file)
        else:
            faults.append(of_file)
    if faults:
        raise Faults(faults)
    return {**learned.types, **types}, learned.notes


def _learn(known: tuple[tuple[str, ...], bool], file: _CsvFile) -> Iterator[ColumnTypes | str]:
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


def _write(types: Types, item: tuple[_CsvFile, Path]) -> Iterator[None]:
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


def _digest(file: _CsvFile, types: Types) -> str:
    """Return what tells one way to read a file from another."""
    content = repr((file, [types[name] for name in file.names]))
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def _cut_off(path: Path, error: Exception) -> FeedrateError:
    return FeedrateError(f"{path} cannot be read to its end ({short(error)}): write or copy it again")


def _reason(error: Exception) -> str:
    text = short(error)
    if "straddl" in text:
        return f"a line is longer than {BLOCK_BYTES / 1e6:.0f} MB, or a quote is not closed"
    if "UTF8" in text:
        return "it is not UTF-8 text, so convert it, for instance with iconv"
    return text.removeprefix("CSV parse error: ")
