"""Parquet row groups and how they become tensors: through PyArrow anywhere, through pylibcudf on a GPU that has it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from feedrate.loaders.base import Schema, Split
from feedrate.loaders.columns import Columns, columns_of_table
from feedrate.loaders.errors import LoaderUnavailable
from feedrate.loaders.memory_pool import use_memory_pool
from feedrate.loaders.phases import phase

ALIGNED = 16
"""Bytes that columns begin at multiples of in a block."""
SPARE = 1.1
"""Times what a row group needs that its pinned memory is made of, for others are a little larger."""


@dataclass(frozen=True, slots=True)
class Group:
    """A row group."""

    file: Path
    number: int
    rows: int
    nbytes: int
    """Of its columns as tensors."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows begin..end of some columns."""

    columns: Columns
    begin: int
    end: int

    def cut(self, begin: int, end: int) -> Part:
        """Of its own rows begin..end."""
        return Part(self.columns, self.begin + begin, self.begin + end)


def read_groups(split: Split) -> tuple[Group, ...]:
    """Every row group in file order, from the files' metadata alone."""
    found = []
    for file in split.files:
        metadata = pq.read_metadata(file)
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            values = sum(group.column(i).num_values for i in range(group.num_columns))
            # 4 bytes a value, and as many for an offset of each bag
            nbytes = 4 * (values + len(split.schema.multi_hot) * (group.num_rows + 1))
            found.append(Group(file, number, group.num_rows, nbytes))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What streaming takes of a device's memory with a decoder: as seen on an H100, and kept by planning with it."""

    group: float
    """While a row group is decoded: in sizes of its columns."""
    share: float
    """Of the budget, at most, for row groups that are being decoded."""
    windows: int
    """Windows' worth at the peak: one consumed, one ready, one being made, and the parts that it is made from."""
    slack_bytes: int
    """By how much allocators round up, whatever the budget."""


class Decoder(Protocol):
    """Called by several threads at once."""

    footprint: Footprint

    def read(self, groups: Sequence[Group]) -> list[Part]:
        """Each group's rows, there when this returns; on a device all tensors are of 4 bytes, offsets too."""
        ...


class ArrowDecoder:
    """Into host memory, and on to the device through pinned memory: one block, and one copy, for a row group."""

    footprint = Footprint(group=1.5, share=0.5, windows=6, slack_bytes=24 << 20)

    def __init__(self, schema: Schema, device: str) -> None:
        self._schema, self._device = schema, device
        self._own = threading.local()
        # one for all threads: there is one copy engine, and torch keeps memory apart by streams
        self._stream = None if device == "cpu" else torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def read(self, groups: Sequence[Group]) -> list[Part]:
        return [Part(self._read(group), 0, group.rows) for group in groups]

    def _read(self, group: Group) -> Columns:
        on_host = self._device == "cpu"
        with phase("decode", group.rows):
            table = self._file(group.file).read_row_group(
                group.number, columns=list(self._schema.columns), use_threads=on_host
            )
            if on_host:
                return columns_of_table(table, self._schema)
        with phase("copy", group.nbytes):
            return self._to_device(table)

    def _file(self, file: Path) -> pq.ParquetFile:
        """Opened once a thread."""
        if not hasattr(self._own, "file") or self._own.name != file:
            self._own.name, self._own.file = file, pq.ParquetFile(file)
        return self._own.file

    def _to_device(self, table: pa.Table) -> Columns:
        """Few calls, for in each of them the thread may have to wait for the interpreter's lock."""
        arrays = list(row_group_arrays(table, self._schema))
        ends = list(itertools.accumulate(-(-4 * len(array) // ALIGNED) * ALIGNED for array, _ in arrays))
        staged = self._staging(ends[-1])
        spans = [(begin, begin + 4 * len(array)) for begin, (array, _) in zip([0, *ends], arrays, strict=False)]
        for (begin, end), (array, kind) in zip(spans, arrays, strict=True):
            np.copyto(staged[begin:end].view(kind), array, casting="unsafe")
        assert self._stream is not None
        with torch.cuda.stream(self._stream):
            there = torch.empty(rounded(ends[-1]), dtype=torch.uint8, device=self._device)
            there[: ends[-1]].copy_(torch.from_numpy(staged[: ends[-1]]), non_blocking=True)
            copied = self._stream.record_event()
        copied.synchronize()
        found = (
            there[begin:end].view(torch.float32 if kind is np.float32 else torch.int32)
            for (begin, end), (_, kind) in zip(spans, arrays, strict=True)
        )
        return Columns(
            {column.name: next(found) for column in self._schema.single_hot},
            {column.name: (next(found), next(found)) for column in self._schema.multi_hot},
            {name: next(found) for name in self._schema.continuous},
            next(found),
        )

    def _staging(self, nbytes: int) -> np.ndarray:
        """Pinned memory of the thread that asks, uint8: used again for each of its row groups."""
        if not hasattr(self._own, "staging") or len(self._own.staging) < nbytes:
            self._own.staging = torch.empty(int(nbytes * SPARE), dtype=torch.uint8, pin_memory=True)
        staging: np.ndarray = self._own.staging.numpy()
        return staging


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

    footprint = Footprint(group=2.0, share=0.7, windows=4, slack_bytes=48 << 20)

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
            whole = self._columns(self._table(files, stream))
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

    def _columns(self, table: Any) -> Columns:
        schema = self._schema
        found = dict(zip(schema.columns, table.columns(), strict=True))

        def bag(name: str) -> tuple[torch.Tensor, torch.Tensor]:
            lists = found[name].list_view()
            return self._tensor(lists.child()).int(), self._tensor(lists.offsets())

        return Columns(
            {column.name: self._tensor(found[column.name]).int() for column in schema.single_hot},
            {column.name: bag(column.name) for column in schema.multi_hot},
            {name: self._tensor(found[name]).float() for name in schema.continuous},
            self._tensor(found[schema.label]).float(),
        )

    def _tensor(self, column: Any) -> torch.Tensor:
        """A view of the column's memory, which lives as long as the tensor does."""
        kind = getattr(torch, _TORCH_TYPES[column.type().id().name])
        if not column.size():
            return torch.empty(0, dtype=kind, device=self._device)
        data = torch.as_tensor(column.data(), device=self._device).view(torch.uint8).view(kind)
        return data[column.offset() : column.offset() + column.size()]


_TORCH_TYPES = {
    **{f"INT{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    "UINT8": "uint8",
    "BOOL8": "bool",
    "FLOAT32": "float32",
    "FLOAT64": "float64",
}


def rounded(count: int) -> int:
    """Up to a multiple of a thirty-second to a sixteenth of it: memory of such sizes is found again for the next of its kind."""
    step = 1 << max(count.bit_length() - 5, 0)
    return -(-count // step) * step


def has_pylibcudf() -> bool:
    return find_spec("pylibcudf") is not None


def own_stream(own: threading.local, device: str) -> torch.cuda.Stream:
    """Of the thread that asks."""
    if not hasattr(own, "stream"):
        own.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream: torch.cuda.Stream = own.stream
    return stream
