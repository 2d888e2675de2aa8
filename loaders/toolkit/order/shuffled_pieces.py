"""Reads pieces of a format in the random order of an epoch, and mixes their rows in windows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from feedrate.loaders.base import Batch, LoaderConfig, Schema
from feedrate.loaders.parquet.columns import epoch_order
from feedrate.loaders.toolkit.order.seeds import seed_of
from feedrate.loaders.toolkit.order.shares import Piece, pieces_of_rank
from feedrate.loaders.toolkit.order.window_shuffle import window_shuffle
from feedrate.loaders.toolkit.read_ahead import read_ahead


def shuffled_pieces(
    read: Callable[[Piece], pa.Table],
    sizes: Sequence[int],
    schema: Schema,
    config: LoaderConfig,
    epoch: int,
    *,
    window_rows: int,
) -> Iterator[Batch]:
    """Yield the batches of an epoch: this rank's pieces in random order, their rows mixed in windows of several pieces.

    read: returns the rows of a piece, in a thread that is a window ahead of the consumer. sizes: rows of each row group,
    fragment or block. window_rows: rows that are mixed together.
    """
    order = epoch_order(len(sizes), shuffle=config.shuffle, seed=config.seed, epoch=epoch)
    pieces = pieces_of_rank(sizes, order.tolist(), config)
    ahead = -(-window_rows // max(sizes, default=1))
    with contextlib.closing(read_ahead(read, pieces, ahead=ahead)) as tables:
        yield from window_shuffle(
            tables,
            schema,
            window_rows=window_rows,
            batch_size=config.batch_size,
            seed=seed_of(config.seed, epoch, config.rank) if config.shuffle else None,
            device=config.device,
        )
