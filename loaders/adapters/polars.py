"""Polars: the rows are one DataFrame in host memory, gathered in a random order by its threads.

The advice is that of Polars' documentation: read only the needed columns, gather with a Series of positions, and hand the
frame on as Arrow, without a copy. https://docs.pola.rs/user-guide/misc/arrow/

`to_torch()` and `iter_slices()` for each batch take about three times as long, and know no lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Split
from feedrate.loaders.errors import require_whole
from feedrate.loaders.parquet.stored import open_parquet
from feedrate.loaders.phases import phase
from feedrate.loaders.stores.store_path import StorePath
from feedrate.loaders.toolkit import batch_of_arrow, batch_to, batch_views, seed_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PolarsOptions:
    """Options of the polars loader. Raises FeedrateError for an invalid value."""

    block_rows: int = 2**20
    """Rows that are gathered, and copied to a GPU, at once. Rounded up to whole batches."""

    def __post_init__(self) -> None:
        require_whole("block_rows", self.block_rows, 1)


class PolarsLoader:
    """Draws each epoch's order with Polars and gathers it block by block. Batches are views of a block."""

    def __init__(self, split: Split, config: LoaderConfig, options: PolarsOptions) -> None:
        self._config, self._schema = config, split.schema
        self._block_rows = -(-options.block_rows // config.batch_size) * config.batch_size
        self._frame = _read(split).rechunk()

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        config = self._config
        order = pl.int_range(self._frame.height, dtype=pl.get_index_type(), eager=True)
        if config.shuffle:
            with phase("shuffle", self._frame.height):
                order = order.shuffle(seed_of(config.seed, index))
        order = order.gather_every(config.world_size, config.rank)
        for begin in range(0, len(order), self._block_rows):
            with phase("shuffle", min(self._block_rows, len(order) - begin)):
                rows = self._frame[order.slice(begin, self._block_rows)]
            block = batch_to(batch_of_arrow(rows.to_arrow(), self._schema, fresh=True), config.device)
            yield from batch_views(block, config.batch_size)

    def close(self) -> None:
        """Free the frame."""
        self._frame = self._frame.clear()


def _read(split: Split) -> pl.DataFrame:
    """Read the split as Polars does, or from an object store by ranges that are counted."""
    columns = list(split.schema.columns)
    if not isinstance(split.files[0], StorePath):
        return pl.read_parquet(list(split.files), columns=columns)
    frame = pl.from_arrow(pa.concat_tables(open_parquet(file).read(columns=columns) for file in split.files))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _open(split: Split, config: LoaderConfig, options: PolarsOptions) -> Loader:
    return PolarsLoader(split, config, options)


ADAPTER = Adapter(
    open=_open,
    options=PolarsOptions,
    reads_stores=True,
    backend=lambda _device: f"Polars {pl.__version__}, a DataFrame in host memory",
)
