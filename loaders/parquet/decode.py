"""Decodes Parquet row groups into tensors: with PyArrow in host memory, or with pylibcudf on a GPU."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from feedrate.loaders.base import Schema, Split
from feedrate.loaders.errors import LoaderUnavailable
from feedrate.loaders.memory.blocks import Cutter, aligned
from feedrate.loaders.memory.pool import use_memory_pool
from feedrate.loaders.parquet.columns import Columns, columns_of_exact
from feedrate.loaders.parquet.exact import read_exact, refuse_nulls, refuse_overflow, refuse_wide
from feedrate.loaders.parquet.stored import open_parquet, read_footer
from feedrate.loaders.phases import phase

DECODE_OVERHEAD = 1.25
"""Device memory that pylibcudf takes for decoded values, relative to their size.

It includes levels and page positions. The factor measured was 1.2.
"""


@dataclass(frozen=True, slots=True)
class Group:
    """A row group of a Parquet file."""

    file: Path
    number: int
    """Number of the row group in its file."""
    rows: int
    nbytes: int
    """Size of its columns as tensors, in bytes."""
    read_bytes: int = 0
    """Device memory that pylibcudf takes to read it, in bytes."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows begin..end (exclusive) of some columns."""

    columns: Columns
    begin: int
    end: int
    block: torch.Tensor | None = None
    """The one block of host memory (uint8 [bytes]) that all columns lie in. None: they lie in several places."""

    @property
    def nbytes(self) -> int:
        """Size of the rows in bytes, assuming bags of the same length throughout."""
        bags = itertools.chain(*self.columns.bags.values())
        total = sum(column.nbytes for column in (*self.columns.flat, *bags))
        return total * (self.end - self.begin) // max(self.columns.rows, 1)

    def cut(self, begin: int, end: int) -> Part:
        """Return rows begin..end (exclusive) of this part, counted from its own first row."""
        return replace(self, begin=self.begin + begin, end=self.begin + end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """How row groups are read ahead."""

    threads: int = 1
    """Threads that read."""
    ahead: int = 1
    """Maximum number of reads in progress or waiting to be used."""
    groups: int = 1
    """Row groups per read."""


def read_groups(split: Split) -> tuple[Group, ...]:
    """Return every row group of the split in file order. Reads only the files' metadata."""
    groups = []
    for file in split.files:
        metadata = read_footer(file)
        for number in range(metadata.num_row_groups):
            info = metadata.row_group(number)
            columns = [info.column(i) for i in range(info.num_columns)]
            offsets = len(split.schema.multi_hot) * (info.num_rows + 1)
            nbytes = 4 * (sum(column.num_values for column in columns) + offsets)
            groups.append(Group(file, number, info.num_rows, nbytes, _read_bytes(columns, offsets, nbytes)))
    return tuple(groups)


def _read_bytes(columns: Sequence[pq.ColumnChunkMetaData], offsets: int, nbytes: int) -> int:
    """Return the device memory that pylibcudf takes to read a row group.

    It is the sum of the compressed pages, the decompressed pages and the decoded values. If some values are wider than
    4 bytes, the tensors that they are converted to come on top.
    """
    wide = ("INT64", "DOUBLE")
    decoded = 4 * offsets + sum((8 if column.physical_type in wide else 4) * column.num_values for column in columns)
    pages = sum(column.total_compressed_size + column.total_uncompressed_size for column in columns)
    return int(pages + DECODE_OVERHEAD * decoded + (nbytes if decoded > nbytes else 0))


class Decoder(Protocol):
    """Decodes row groups. Several threads call it at once."""

    def read(self, groups: Sequence[Group]) -> list[Part]:
        """Decode the row groups, one part each, in the same order. The tensors are complete when this returns.

        If they are meant for a device, all elements have 4 bytes, including offsets.
        """
        ...


class ArrowDecoder:
    """Decodes into host memory with PyArrow."""

    def __init__(self, schema: Schema, *, pinned: bool) -> None:
        """pinned: put each row group into one block of pinned memory, so that copies to a device are asynchronous."""
        self._schema, self._pinned = schema, pinned
        self._local = threading.local()

    def read(self, groups: Sequence[Group]) -> list[Part]:
        """Decode the row groups one after the other."""
        return [self._read(group) for group in groups]

    def _read(self, group: Group) -> Part:
        with phase("decode", group.rows):
            opened = self._file(group.file)
            table = read_exact(opened, self._schema, group.file, group.number, threads=not self._pinned)
            if self._pinned:
                return staged(table, self._schema)
            return Part(columns_of_exact(table, self._schema), 0, group.rows)

    def _file(self, file: Path) -> pq.ParquetFile:
        """Return the open file. Each thread opens a file once and keeps it until it reads another."""
        if not hasattr(self._local, "file") or self._local.name != file:
            self._local.name, self._local.file = file, open_parquet(file)
        return self._local.file


def staged(table: pa.Table, schema: Schema, *, pin: bool = True) -> Part:
    """Copy a row group's columns, which have exact types, into one block of host memory.

    It makes few calls, because the thread may have to wait for the interpreter's lock in each of them.
    """
    arrays = list(row_group_arrays(table, schema))
    block = torch.empty(sum(aligned(4 * len(array)) for array, _ in arrays), dtype=torch.uint8, pin_memory=pin)
    cutter, tensors = Cutter(block), []
    for array, dtype in arrays:
        tensors.append(cutter.cut(len(array), torch.float32 if dtype is np.float32 else torch.int32))
        np.copyto(tensors[-1].numpy(), array, casting="unsafe")
    remaining = iter(tensors)
    columns = Columns(
        {column.name: next(remaining) for column in schema.single_hot},
        {column.name: (next(remaining), next(remaining)) for column in schema.multi_hot},
        {name: next(remaining) for name in schema.continuous},
        next(remaining),
    )
    return Part(columns, 0, columns.rows, block)


def row_group_arrays(table: pa.Table, schema: Schema) -> Iterator[tuple[np.ndarray, type]]:
    """Yield (array, required type) for each tensor of a batch, in the batch's order. Arrays keep their stored type."""
    for column in schema.single_hot:
        yield _one_chunk(table[column.name]).to_numpy(zero_copy_only=False), np.int32
    for column in schema.multi_hot:
        lists = _one_chunk(table[column.name])
        offsets = lists.offsets.to_numpy()
        yield lists.flatten().to_numpy(zero_copy_only=False), np.int32
        yield (offsets - offsets[0] if offsets[0] else offsets), np.int32
    for name in (*schema.continuous, schema.label):
        yield _one_chunk(table[name]).to_numpy(zero_copy_only=False), np.float32


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Return the column as one array. Only the columns of a very large row group have several chunks."""
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


class CudfDecoder:
    """Decodes on the device with pylibcudf, several row groups per read: each read costs some milliseconds."""

    def __init__(self, schema: Schema, device: str) -> None:
        """Raises LoaderUnavailable if pylibcudf is not installed."""
        try:
            import pylibcudf  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise LoaderUnavailable(
                "pylibcudf is not installed: run `pip install 'feedrate[rapids]'`, or use decode=pyarrow"
            ) from error
        self._plc, self._schema, self._device = pylibcudf, schema, device
        self._local = threading.local()
        use_memory_pool(device)

    def read(self, groups: Sequence[Group]) -> list[Part]:
        """Decode the row groups in one read. All parts share the same columns, with a file's groups side by side."""
        stream = thread_stream(self._local, self._device)
        files: dict[Path, list[Group]] = {}
        for group in groups:
            files.setdefault(group.file, []).append(group)
        with phase("decode", sum(group.rows for group in groups)), torch.cuda.stream(stream):
            columns = self.columns(self.table(files, stream), stream)
            stream.synchronize()
        parts, begin = {}, 0
        for group in itertools.chain(*files.values()):
            parts[group] = Part(columns, begin, begin + group.rows)
            begin += group.rows
        return [parts[group] for group in groups]

    def table(self, files: Mapping[Path, Sequence[Group]], stream: torch.cuda.Stream) -> Any:
        """Read these row groups of these files as one pylibcudf table on the device, in that order. Work is enqueued on `stream`."""
        parquet = self._plc.io.parquet
        source = self._plc.io.SourceInfo([str(file) for file in files])
        options = parquet.ParquetReaderOptions.builder(source).build()
        options.set_column_names(list(self._schema.columns))
        options.set_row_groups([[group.number for group in file_groups] for file_groups in files.values()])
        return parquet.read_parquet(options, stream).tbl

    def columns(self, table: Any, stream: torch.cuda.Stream) -> Columns:
        """View a pylibcudf table as columns. Values of other types than a batch's are cast.

        Raises FeedrateError for nulls and for values that the type of a batch cannot hold.
        """
        schema = self._schema
        columns = dict(zip(schema.columns, table.columns(), strict=True))

        def flat(name: str, required: str) -> torch.Tensor:
            return self._tensor(name, columns[name], required, stream)

        def bag(name: str) -> tuple[torch.Tensor, torch.Tensor]:
            refuse_nulls(name, columns[name].null_count())
            lists = columns[name].list_view()
            return (
                self._tensor(name, lists.child(), "INT32", stream),
                self._tensor(name, lists.offsets(), "INT32", stream),
            )

        return Columns(
            {column.name: flat(column.name, "INT32") for column in schema.single_hot},
            {column.name: bag(column.name) for column in schema.multi_hot},
            {name: flat(name, "FLOAT32") for name in schema.continuous},
            flat(schema.label, "FLOAT32"),
        )

    def _tensor(self, name: str, column: Any, required: str, stream: torch.cuda.Stream) -> torch.Tensor:
        """Return a view of the column's memory in the required type. The memory lives as long as the tensor does."""
        if not column.size():
            return torch.empty(0, dtype=_TORCH_TYPES[required], device=self._device)
        refuse_nulls(name, column.null_count())
        stored = column.type().id().name
        if stored != required:  # the cast takes memory from cudf's pool
            if required == "INT32" and stored in ("INT64", "UINT64", "UINT32"):
                least, greatest = (int(bound) for bound in self._view(column, stored).aminmax())
                refuse_wide(name, *((2**31, 2**31) if stored[0] == "U" and least < 0 else (least, greatest)))
            if stored == "FLOAT64":
                wide = self._view(column, stored)
                refuse_overflow(name, float(torch.where(wide.isfinite(), wide.abs(), 0).max()))
            types = self._plc.types
            column = self._plc.unary.cast(column, types.DataType(types.TypeId[required]), stream)
        return self._view(column, required)

    def _view(self, column: Any, stored: str) -> torch.Tensor:
        """View a column as a tensor. Unsigned numbers become signed, so those that are too large are negative."""
        data = torch.as_tensor(column.data(), device=self._device).view(torch.uint8).view(_TORCH_TYPES[stored])
        return data[column.offset() : column.offset() + column.size()]


_TORCH_TYPES = {
    "INT32": torch.int32,
    "UINT32": torch.int32,
    "INT64": torch.int64,
    "UINT64": torch.int64,
    "FLOAT32": torch.float32,
    "FLOAT64": torch.float64,
}


def has_pylibcudf() -> bool:
    """Return whether pylibcudf is installed."""
    return find_spec("pylibcudf") is not None


def thread_stream(local: threading.local, device: str) -> torch.cuda.Stream:
    """Return the calling thread's own stream. It is created on the first call and kept in `local`."""
    if not hasattr(local, "stream"):
        local.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream: torch.cuda.Stream = local.stream
    return stream
