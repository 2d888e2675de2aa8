"""Shuffles a stream of row groups in windows: several row groups are in memory at a time, and their rows are mixed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from feedrate.loaders.base import Batch, Schema
from feedrate.loaders.errors import require_whole
from feedrate.loaders.parquet.columns import batch_to, draw_order, order_generator
from feedrate.loaders.phases import phase
from feedrate.loaders.toolkit.batches.arrow_batches import batch_of_arrow
from feedrate.loaders.toolkit.batches.views import batch_views
from feedrate.loaders.toolkit.order.shares import windows_of


def window_shuffle(
    groups: Iterable[pa.Table],
    schema: Schema,
    *,
    window_rows: int,
    batch_size: int,
    seed: int | None,
    device: str = "cpu",
) -> Iterator[Batch]:
    """Yield every row of the groups once, in batches of batch_size rows. The last batch may be shorter.

    groups: row groups of the same Arrow types, in the random order of the epoch. They are read as they are needed.
    window_rows: a window takes row groups until it has this many rows. Rows are mixed only within a window, so it should
    hold several row groups. The rows that do not fill a batch are mixed with the next window.
    seed: of the epoch, from seed_of(). None: no shuffle, in the order of the groups. Each group is then a window.
    device: each window is copied there at once. Batches are views of it.

    Arrow gathers the window at once, which is several times faster than a batch at a time.
    """
    require_whole("window_rows", window_rows, 1)
    rest: list[pa.Table] = []
    for number, window in enumerate(windows_of(groups, window_rows if seed is not None else 1, len)):
        table = pa.concat_tables([*rest, *window])
        if seed is not None:
            with phase("shuffle", len(table)):
                order = draw_order(len(table), order_generator(seed, number)).numpy()
                table = table.combine_chunks().take(pa.array(order))
        full = len(table) - len(table) % batch_size
        yield from batch_views(batch_to(batch_of_arrow(table.slice(0, full), schema), device), batch_size)
        rest = [table.slice(full)]
    for table in rest:
        yield from batch_views(batch_to(batch_of_arrow(table, schema), device), batch_size)
