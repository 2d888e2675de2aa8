"""SPDL: a pipeline of stages in threads that reads row groups, mixes windows of them and hands on whole windows.

The advice is that of its documentation: threads, and a stage with a concurrency of its own for each kind of work.
https://facebookresearch.github.io/spdl/latest/getting_started/pytorch.html An item costs some 100 microseconds at each
stage, so items are row groups and windows. By default SPDL drops items that fail: here they raise.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Split
from feedrate.loaders.errors import require_whole
from feedrate.loaders.parquet.columns import draw_order, order_generator
from feedrate.loaders.parquet.decode import read_groups
from feedrate.loaders.parquet.stored import open_parquet
from feedrate.loaders.phases import phase
from feedrate.loaders.toolkit import (
    Piece,
    batch_of_arrow,
    batch_to,
    batch_views,
    epoch_order,
    import_library,
    pieces_of_rank,
    seed_of,
)

Window = tuple[int, pa.Table]
"""The number of a window in the epoch, and its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SPDLOptions:
    """Options of the spdl loader. Raises FeedrateError for an invalid value."""

    window_rows: int = 2**20
    """Rows that are mixed together, rounded up to whole row groups."""
    readers: int = 2
    """Row groups that are read at the same time."""

    def __post_init__(self) -> None:
        require_whole("window_rows", self.window_rows, 1)
        require_whole("readers", self.readers, 1)


class SPDLLoader:
    """Builds a pipeline for each epoch, whose threads end with the epoch."""

    def __init__(self, split: Split, config: LoaderConfig, options: SPDLOptions) -> None:
        backend(config.device)
        self._library = import_library("spdl.pipeline", "spdl")
        self._library.defs.Aggregator.register(Windows)  # its abstract class
        self._config, self._options, self._schema = config, options, split.schema
        self._groups = read_groups(split)
        self._sizes = [group.rows for group in self._groups]
        self._running, self._stopper, self._closed = set[Any](), ThreadPoolExecutor(1), False

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        assert not self._closed, "epoch() after close()"
        config, readers = self._config, self._options.readers
        order = epoch_order(len(self._sizes), shuffle=config.shuffle, seed=config.seed, epoch=index)
        pipeline: Any = (
            self._library.PipelineBuilder()
            .add_source(pieces_of_rank(self._sizes, order.tolist(), config))
            .pipe(self._read, concurrency=readers, output_order="input")
            .aggregate(Windows(self._options.window_rows, config.batch_size))
            .pipe(partial(self._mix, epoch=index), output_order="input")
            .add_sink(1)
            .build(num_threads=readers + 1, max_failures=0)
        )
        self._running.add(pipeline)
        try:
            for window in pipeline:
                block = batch_of_arrow(window, self._schema)
                yield from batch_views(batch_to(block, config.device), config.batch_size)
        finally:
            self._stop(pipeline)

    def close(self) -> None:
        """Stop the pipelines and wait until their threads have ended."""
        self._closed = True
        for pipeline in list(self._running):
            self._stop(pipeline)
        self._stopper.shutdown()

    def _stop(self, pipeline: Any) -> None:
        if pipeline in self._running:
            self._running.remove(pipeline)
            self._stopper.submit(pipeline.stop)  # which takes a tenth of a second

    def _read(self, piece: Piece) -> pa.Table:
        group = self._groups[piece.group]
        with phase("decode", group.rows), open_parquet(group.file) as opened:
            table = opened.read_row_group(group.number, columns=list(self._schema.columns), use_threads=False)
        return table.slice(piece.begin, piece.rows)

    def _mix(self, window: Window, *, epoch: int) -> pa.Table:
        number, table = window
        if not self._config.shuffle:
            return table
        with phase("shuffle", len(table)):
            generator = order_generator(seed_of(self._config.seed, epoch, self._config.rank), number)
            return table.combine_chunks().take(pa.array(draw_order(len(table), generator).numpy()))


class Windows:
    """Collects row groups into windows of whole batches. This is SPDL's interface of an Aggregator."""

    def __init__(self, window_rows: int, batch_size: int) -> None:
        self._window_rows, self._batch_size = max(window_rows, batch_size), batch_size
        self._tables: list[pa.Table] = []
        self._number = 0

    def accumulate(self, item: pa.Table) -> Window | None:
        """Return a window if it is complete. The rows that do not fill a batch are left for the next one."""
        self._tables.append(item)
        rows = sum(map(len, self._tables))
        return self._window(rows - rows % self._batch_size) if rows >= self._window_rows else None

    def flush(self) -> Window | None:
        """Return the rows that are left at the end."""
        rows = sum(map(len, self._tables))
        return self._window(rows) if rows else None

    def _window(self, rows: int) -> Window:
        table, self._number = pa.concat_tables(self._tables), self._number + 1
        self._tables = [table.slice(rows)]
        return self._number, table.slice(0, rows)


def backend(_device: str) -> str:
    """Return the library's version. Raises LoaderUnavailable without it."""
    import_library("spdl", "spdl")
    return f"SPDL {version('spdl')}, row groups shuffled in windows by threads"


def _open(split: Split, config: LoaderConfig, options: SPDLOptions) -> Loader:
    return SPDLLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=SPDLOptions, backend=backend, reads_stores=True)
