"""Vortex: ranges of rows in random order with their rows mixed in windows, or rows taken at random.

The advice is that of its documentation: prepare a scan once, execute it for ranges of rows, and read the file through a
memory map, which the page cache serves. https://docs.vortex.dev/api/python/io.html

`vortex:random` takes rows at random instead, for which the format was made. Its takes want positions in rising order, so a
window is taken at once and mixed afterwards. The Vortex file is written once for a dataset.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Split
from feedrate.loaders.errors import require_bool, require_whole
from feedrate.loaders.parquet.stored import open_parquet
from feedrate.loaders.phases import phase
from feedrate.loaders.toolkit import (
    EpochSampler,
    Piece,
    batch_of_arrow,
    batch_to,
    batch_views,
    import_library,
    prepared_folder,
    shuffled_pieces,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VortexOptions:
    """Options of the vortex loader. Raises FeedrateError for an invalid value."""

    random: bool = False
    """Take rows at random from the whole split, instead of ranges of rows."""
    window_rows: int = 2**20
    """Rows that are mixed together, rounded up to whole ranges. random: rows that are taken at once."""
    range_rows: int = 2**17
    """Rows of each range that is read by one scan."""
    memory_map: bool = True
    """Map the file into memory. False: read it through the library's own input and cache, which is its default."""

    def __post_init__(self) -> None:
        require_bool("random", self.random)
        require_whole("window_rows", self.window_rows, 1)
        require_whole("range_rows", self.range_rows, 1)
        require_bool("memory_map", self.memory_map)


class VortexLoader:
    """Reads a Vortex file by ranges of rows, or by rows."""

    def __init__(self, split: Split, config: LoaderConfig, options: VortexOptions) -> None:
        self._library = import_library("vortex", "vortex")
        self._config, self._options, self._split = config, options, split
        path = prepare(split, config, options) / "rows.vortex"
        self._file: Any = self._library.open(str(path), memory_map=options.memory_map)
        self._scan: Any = self._file.to_repeated_scan()
        self._order = EpochSampler(split.rows, config)
        self._starts = range(0, split.rows, options.range_rows)
        self._sizes = [min(options.range_rows, split.rows - start) for start in self._starts]

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        assert self._file is not None, "epoch() after close()"
        if self._options.random and self._config.shuffle:
            return self._taken(index)
        schema, window_rows = self._split.schema, self._options.window_rows
        return shuffled_pieces(self._read, self._sizes, schema, self._config, index, window_rows=window_rows)

    def close(self) -> None:
        """Drop the scan and the file."""
        self._file = self._scan = None

    def _read(self, piece: Piece) -> pa.Table:
        start = self._starts[piece.group]
        with phase("decode", piece.rows):
            arrays = self._scan.execute(row_range=(start + piece.begin, start + piece.end))
            return arrays.to_arrow().read_all()

    def _taken(self, epoch: int) -> Iterator[Batch]:
        config, size = self._config, self._config.batch_size
        self._order.epoch = epoch
        order = self._order.order()
        block_rows = -(-self._options.window_rows // size) * size
        for begin in range(0, len(order), block_rows):
            positions = order[begin : begin + block_rows]
            with phase("decode", len(positions)):
                rising = np.argsort(positions)
                indices = self._library.array(pa.array(positions[rising]))
                table = self._file.to_arrow(indices=indices).read_all().combine_chunks()
                places = np.empty_like(rising)
                places[rising] = np.arange(len(rising))
                table = table.take(pa.array(places))
            yield from batch_views(batch_to(batch_of_arrow(table, self._split.schema), config.device), size)


def prepare(split: Split, _config: LoaderConfig, _options: VortexOptions) -> Path:
    """Write the split as one Vortex file unless it is there, and return its folder."""
    library = import_library("vortex", "vortex")
    columns = list(split.schema.columns)

    def write(folder: Path) -> None:
        stored = open_parquet(split.files[0]).schema_arrow
        stored = pa.schema([stored.field(name) for name in columns])
        batches = itertools.chain.from_iterable(
            open_parquet(file).iter_batches(2**17, columns=columns) for file in split.files
        )
        rows = pa.RecordBatchReader.from_batches(stored, (batch.select(columns) for batch in batches))
        library.io.write(rows, str(folder / "rows.vortex"))

    return prepared_folder(split, "vortex", {"version": library.__version__}, write)


def backend(_device: str) -> str:
    """Return the library's version. Raises LoaderUnavailable without it."""
    return f"Vortex {import_library('vortex', 'vortex').__version__}, ranges of rows of a file"


def _open(split: Split, config: LoaderConfig, options: VortexOptions) -> Loader:
    return VortexLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=VortexOptions, backend=backend, prepare=prepare, reads_stores=True)
