"""litdata: blocks of rows in its own chunks, read at random, their rows mixed in windows.

The advice is that of its documentation: write the data once in chunks of 64 MB, and read them through StreamingDataset.
https://github.com/Lightning-AI/litdata#option-2-optimize-for-maximum-performance-

Its samples are Python objects, so a sample for each row is slow. Here a sample is a block of rows: an array for each column.
Blocks are read by their number, because its own sharding gives whole blocks to ranks, whose rows would differ in number.
`batch_decode=0` decodes only the block that is read. By default litdata decodes its neighbours too, up to 256, and does so again
whenever the next block lies in another chunk.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, OwnEnvironment, Split
from feedrate.loaders.errors import require_whole
from feedrate.loaders.toolkit import Block, import_library, prepared_folder, row_blocks, shuffled_blocks

ENVIRONMENT = OwnEnvironment(
    name="litdata",
    requirements="adapters/environments/litdata.lock",
    replaced=("litdata", "python-dateutil"),
    module="litdata",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LitdataOptions:
    """Options of the litdata loader. Raises FeedrateError for an invalid value."""

    block_rows: int = 2**15
    """Rows of each sample that is written."""
    window_rows: int = 2**20
    """Rows that are mixed together, rounded up to whole blocks."""
    chunk_mb: int = 64
    """Size of a chunk file in MB. litdata's own default is 64."""

    def __post_init__(self) -> None:
        require_whole("block_rows", self.block_rows, 1)
        require_whole("window_rows", self.window_rows, 1)
        require_whole("chunk_mb", self.chunk_mb, 1)


class LitdataLoader:
    """Reads blocks of rows from chunks that are memory-mapped."""

    def __init__(self, split: Split, config: LoaderConfig, options: LitdataOptions) -> None:
        library = _library()
        self._split, self._config, self._options = split, config, options
        folder = str(prepare(split, config, options))
        self._dataset: Any = library.StreamingDataset(folder, batch_decode=0)
        self._lock = threading.Lock()

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        assert self._dataset is not None, "epoch() after close()"
        sizes = {"block_rows": self._options.block_rows, "window_rows": self._options.window_rows}
        yield from shuffled_blocks(self._read, self._split, self._config, index, **sizes)

    def close(self) -> None:
        """Drop the dataset, which unmaps its chunks."""
        self._dataset = None

    def _read(self, number: int) -> Block:
        with self._lock:  # the dataset has a state, and an abandoned epoch may still be reading
            block: Block = self._dataset[number]
        return block


def prepare(split: Split, _config: LoaderConfig, options: LitdataOptions) -> Path:
    """Write the split in chunks unless they are there, and return their folder."""
    library = _library()

    def write(folder: Path) -> None:
        from litdata.streaming import Cache  # what litdata's optimize() writes with, in processes of its own

        chunks = Cache(str(folder), chunk_bytes=options.chunk_mb * 1_000_000)
        for number, block in enumerate(row_blocks(split, options.block_rows)):
            chunks[number] = dict(block)
        chunks.done()
        chunks.merge()

    settings = {"version": library.__version__, "block_rows": options.block_rows, "chunk_mb": options.chunk_mb}
    return prepared_folder(split, "litdata", settings, write)


def _library() -> Any:
    return import_library("litdata", "litdata", own_environment=True)


def backend(_device: str) -> str:
    """Return the library's version. Raises LoaderUnavailable without it."""
    return f"litdata {_library().__version__}, blocks of rows in memory-mapped chunks"


def _open(split: Split, config: LoaderConfig, options: LitdataOptions) -> Loader:
    return LitdataLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=LitdataOptions, backend=backend, prepare=prepare, environment=ENVIRONMENT)
