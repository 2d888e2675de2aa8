"""Parquet row groups and how they become tensors: through PyArrow anywhere, through pylibcudf on a GPU that has it."""

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
from feedrate.loaders.parquet.columns import Columns, columns_of_table, refuse_nulls, refuse_unfit, refuse_wide
from feedrate.loaders.phases import phase

LEVELS = 1.25
"""Times what is decoded that pylibcudf has for it, with levels and places of pages: 1.2 was seen."""


@dataclass(frozen=True, slots=True)
class Group:
    """A row group."""

    file: Path
    number: int
    rows: int
    nbytes: int
    """Of its columns as tensors."""
    reading: int = 0
    """Bytes of a device's memory while pylibcudf reads it."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows begin..end of some columns."""

    columns: Columns
    begin: int
    end: int
    block: torch.Tensor | None = None
    """uint8: the host memory that all of the columns lie in, if they do."""

    @property
    def nbytes(self) -> int:
        """Of its rows, if bags are as long throughout."""
        bags = itertools.chain(*self.columns.bags.values())
        whole = sum(column.nbytes for column in (*self.columns.flat, *bags))
        return whole * (self.end - self.begin) // max(self.columns.rows, 1)

    def cut(self, begin: int, end: int) -> Part:
        """Of its own rows begin..end."""
        return replace(self, begin=self.begin + begin, end=self.begin + end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """How row groups are read ahead."""

    threads: int = 1
    ahead: int = 1
    """Reads under way or waiting to be used."""
    groups: int = 1
    """Row groups a read."""


def read_groups(split: Split) -> tuple[Group, ...]:
    """Every row group in file order, from the files' metadata alone."""
    found = []
    for file in split.files:
        metadata = pq.read_metadata(file)
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            columns = [group.column(i) for i in range(group.num_columns)]
            offsets = len(split.schema.multi_hot) * (group.num_rows + 1)
            nbytes = 4 * (sum(column.num_values for column in columns) + offsets)
            found.append(Group(file, number, group.num_rows, nbytes, _reading_bytes(columns, offsets, nbytes)))
    return tuple(found)


def _reading_bytes(columns: Sequence[pq.ColumnChunkMetaData], offsets: int, nbytes: int) -> int:
    """Pages as they are stored and decompressed, what is decoded, and that again as tensors where its types are wider."""
    wide = ("INT64", "DOUBLE")
    decoded = 4 * offsets + sum((8 if column.physical_type in wide else 4) * column.num_values for column in columns)
    pages = sum(column.total_compressed_size + column.total_uncompressed_size for column in columns)
    return int(pages + LEVELS * decoded + (nbytes if decoded > nbytes else 0))


class Decoder(Protocol):
    """Called by several threads at once."""

    def read(self, groups: Sequence[Group]) -> list[Part]:
        """Each group's rows, there when this returns. For a device all tensors are of 4 bytes, offsets too."""
        ...


class ArrowDecoder:
    """Into host memory."""

    def __init__(self, schema: Schema, *, pinned: bool) -> None:
        """pinned: each row group in one block of pinned memory, from where it is copied to a device without waiting."""
        self._schema, self._pinned = schema, pinned
        self._own = threading.local()

    def read(self, groups: Sequence[Group]) -> list[Part]:
        return [self._read(group) for group in groups]

    def _read(self, group: Group) -> Part:
        with phase("decode", group.rows):
            table = self._file(group.file).read_row_group(
                group.number, columns=list(self._schema.columns), use_threads=not self._pinned
            )
            if self._pinned:
                return staged(table, self._schema)
            return Part(columns_of_table(table, self._schema), 0, group.rows)

    def _file(self, file: Path) -> pq.ParquetFile:
        """Opened once a thread."""
        if not hasattr(self._own, "file") or self._own.name != file:
            self._own.name, self._own.file = file, pq.ParquetFile(file)
        return self._own.file


def staged(table: pa.Table, schema: Schema, *, pin: bool = True) -> Part:
    """A row group's columns side by side in one block of host memory. Few calls, for in each of them the thread may have to wait
    for the interpreter's lock."""
    refuse_unfit(table, schema)
    arrays = list(row_group_arrays(table, schema))
    block = torch.empty(sum(aligned(4 * len(array)) for array, _ in arrays), dtype=torch.uint8, pin_memory=pin)
    cutter, found = Cutter(block), []
    for array, kind in arrays:
        found.append(cutter.cut(len(array), torch.float32 if kind is np.float32 else torch.int32))
        np.copyto(found[-1].numpy(), array, casting="unsafe")
    own = iter(found)
    columns = Columns(
        {column.name: next(own) for column in schema.single_hot},
        {column.name: (next(own), next(own)) for column in schema.multi_hot},
        {name: next(own) for name in schema.continuous},
        next(own),
    )
    return Part(columns, 0, columns.rows, block)


def row_group_arrays(table: pa.Table, schema: Schema) -> Iterator[tuple[np.ndarray, type]]:
    """Of a row group, as they lie there: (array, wanted type) of each tensor of a batch, in its order."""
    for column in schema.single_hot:
        yield _whole(table[column.name]).to_numpy(zero_copy_only=False), np.int32
    for column in schema.multi_hot:
        lists = _whole(table[column.name])
        offsets = lists.offsets.to_numpy()
        yield lists.flatten().to_numpy(zero_copy_only=False), np.int32
        yield (offsets - offsets[0] if offsets[0] else offsets), np.int32
    for name in (*schema.continuous, schema.label):
        yield _whole(table[name]).to_numpy(zero_copy_only=False), np.float32


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A row group's column is one chunk but for a very large one's."""
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


class CudfDecoder:
    """Decoded on the device. Several row groups a read: each read has some milliseconds of its own."""

    def __init__(self, schema: Schema, device: str) -> None:
        try:
            import pylibcudf
        except ImportError as error:
            raise LoaderUnavailable(
                "pylibcudf is not installed: `pip install 'feedrate[rapids]'` brings it; decode=pyarrow does without"
            ) from error
        self._plc, self._schema, self._device = pylibcudf, schema, device
        self._own = threading.local()
        use_memory_pool(device)

    def read(self, groups: Sequence[Group]) -> list[Part]:
        """Groups of one file lie side by side in the same columns."""
        stream = own_stream(self._own, self._device)
        files: dict[Path, list[Group]] = {}
        for group in groups:
            files.setdefault(group.file, []).append(group)
        with phase("decode", sum(group.rows for group in groups)), torch.cuda.stream(stream):
            whole = self._columns(self._table(files, stream), stream)
            stream.synchronize()
        found, begin = {}, 0
        for group in (group for own in files.values() for group in own):
            found[group] = Part(whole, begin, begin + group.rows)
            begin += group.rows
        return [found[group] for group in groups]

    def _table(self, files: Mapping[Path, Sequence[Group]], stream: torch.cuda.Stream) -> Any:
        parquet = self._plc.io.parquet
        source = self._plc.io.SourceInfo([str(file) for file in files])
        options = parquet.ParquetReaderOptions.builder(source).build()
        options.set_column_names(list(self._schema.columns))
        options.set_row_groups([[group.number for group in own] for own in files.values()])
        return parquet.read_parquet(options, stream).tbl

    def _columns(self, table: Any, stream: torch.cuda.Stream) -> Columns:
        schema = self._schema
        found = dict(zip(schema.columns, table.columns(), strict=True))

        def flat(name: str, wanted: str) -> torch.Tensor:
            return self._tensor(name, found[name], wanted, stream)

        def bag(name: str) -> tuple[torch.Tensor, torch.Tensor]:
            refuse_nulls(name, found[name].null_count())
            lists = found[name].list_view()
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

    def _tensor(self, name: str, column: Any, wanted: str, stream: torch.cuda.Stream) -> torch.Tensor:
        """A view of the column's memory, which lives as long as the tensor does."""
        if not column.size():
            return torch.empty(0, dtype=_TORCH_TYPES[wanted], device=self._device)
        refuse_nulls(name, column.null_count())
        kind = column.type().id().name
        if kind != wanted:  # in cudf's pool
            if wanted == "INT32" and kind in ("INT64", "UINT64", "UINT32"):
                least, greatest = (int(bound) for bound in self._view(column, kind).aminmax())
                refuse_wide(name, *((2**31, 2**31) if kind[0] == "U" and least < 0 else (least, greatest)))
            types = self._plc.types
            column = self._plc.unary.cast(column, types.DataType(types.TypeId[wanted]), stream)
        return self._view(column, wanted)

    def _view(self, column: Any, kind: str) -> torch.Tensor:
        """Unsigned numbers as signed ones: what is too large is negative."""
        data = torch.as_tensor(column.data(), device=self._device).view(torch.uint8).view(_TORCH_TYPES[kind])
        return data[column.offset() : column.offset() + column.size()]


_TORCH_TYPES = {
    "INT32": torch.int32,
    "UINT32": torch.int32,
    "INT64": torch.int64,
    "UINT64": torch.int64,
    "FLOAT32": torch.float32,
}


def has_pylibcudf() -> bool:
    return find_spec("pylibcudf") is not None


def own_stream(own: threading.local, device: str) -> torch.cuda.Stream:
    """Of the thread that asks."""
    if not hasattr(own, "stream"):
        own.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream: torch.cuda.Stream = own.stream
    return stream
