"""One CSV file, or a range of its bytes: how its lines are split into fields, and the text that they hold."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.csv as pc

from feedrate.bench.datasets.csv_streams import BoundedText, PaddedLines, TextRange, TextStream, WholeLineEnds
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.discovery import DataFile
from feedrate.loaders.parquet.open_file import short

BLOCK_BYTES = 1 << 24
"""Text that is read at a time. No line may be longer."""
RANGE_BYTES = 1 << 26
"""Size of the ranges in which a large file is read."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """A CSV file or a range of it, and how its lines are split."""

    data: DataFile
    path: Path
    """Absolute, since other processes may have another current folder."""
    state: tuple[int, int]
    """Size and time of change, so that two versions of a file differ."""
    separator: str
    names: tuple[str, ...]
    sep_line: bool
    """Whether Excel's line that names the separator stands before the header."""
    csv_format: CsvFormat
    start: int = 0
    """First byte. A range begins after a line end."""
    stop: int | None = None
    """The byte after the last one. None: the end of the file."""

    def ranges(self) -> tuple[CsvFile, ...]:
        """Cut the file after line ends into ranges of about RANGE_BYTES. A file that is small or compressed is one."""
        size = self.state[0]
        if size < 2 * RANGE_BYTES or compression(self.path):
            return (self,)
        starts = [0]
        with self.path.open("rb") as file:
            for wanted in range(RANGE_BYTES, size - RANGE_BYTES + 1, RANGE_BYTES):
                file.seek(wanted)
                line_end = file.read(BLOCK_BYTES).find(b"\n")
                if line_end >= 0:
                    starts.append(wanted + line_end + 1)
        return tuple(
            replace(self, start=start, stop=stop) for start, stop in zip(starts, [*starts[1:], size], strict=True)
        )

    def has_quotes(self) -> bool:
        """Whether a quote may enclose a line end."""
        if not self.csv_format.quoting:
            return False
        with self._text() as text:
            return any(b'"' in block for block in iter(lambda: text.read(BLOCK_BYTES), b""))

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the lines as text columns. Raises FeedrateError for lines of other lengths and text that is not UTF-8."""
        try:
            with self._text() as text:
                for batch in self._reader(pa.PythonFile(self._lines(text), "r")):
                    frame = pl.DataFrame(pl.from_arrow(batch))
                    frame.columns = list(self.names)
                    yield frame
        except OSError as error:
            raise cut_off(self.data.path, error) from error
        except pa.ArrowException as error:
            raise FeedrateError(f"{self.data.path} cannot be read as CSV: {_reason(error)}") from error

    @contextmanager
    def _text(self) -> Iterator[TextStream]:
        if self.stop is not None:
            with self.path.open("rb") as file:
                yield TextRange(file, self.start, self.stop)
            return
        with unpacked(self.path) as stream:
            yield BoundedText(stream, self.path)

    def _lines(self, stream: TextStream) -> io.RawIOBase:
        if self.csv_format.short_lines and not self.csv_format.quoting:
            return PaddedLines(stream, self.separator, len(self.names))
        return WholeLineEnds(stream)

    def _reader(self, stream: pa.PythonFile) -> pc.CSVStreamingReader:
        numbers = [str(i) for i in range(len(self.names))]  # Polars renames a column without a name
        return pc.open_csv(
            stream,
            pc.ReadOptions(
                column_names=numbers,
                skip_rows=int(self.sep_line and not self.start),
                skip_rows_after_names=int(not self.csv_format.names and not self.start),
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


def compression(path: Path) -> str | None:
    """Return how a file is compressed, by its first bytes. None: it is not."""
    with path.open("rb") as file:
        magic = file.read(4)
    return next((name for start, name in _COMPRESSED.items() if magic.startswith(start)), None)


def unpacked(path: Path) -> pa.NativeFile:
    """Return a stream of a file that may be compressed."""
    return pa.input_stream(str(path), compression=compression(path))


def cut_off(path: Path, error: Exception) -> FeedrateError:
    """The error for a file that cannot be read."""
    return FeedrateError(f"{path} cannot be read to its end ({short(error)}): write or copy it again")


def _reason(error: Exception) -> str:
    text = short(error)
    if "straddl" in text:
        return f"a line is longer than {BLOCK_BYTES / 1e6:.0f} MB, or a quote is not closed"
    if "UTF8" in text:
        return "it is not UTF-8 text, so convert it, for instance with iconv"
    return text.removeprefix("CSV parse error: ")
