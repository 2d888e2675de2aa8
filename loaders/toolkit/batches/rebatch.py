"""Cuts a stream of batches of any size into batches of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from feedrate.loaders.base import Batch
from feedrate.loaders.errors import require_whole
from feedrate.loaders.parquet.columns import Columns, join


def rebatch(batches: Iterable[Batch], batch_size: int) -> Iterator[Batch]:
    """Yield the same rows in the same order, as batches of batch_size rows. The last one may be shorter.

    A batch that lies in one of the given ones shares its memory. The others are copied once.
    A batch that has the size already is passed on as it is.
    """
    require_whole("batch_size", batch_size, 1)
    parts: list[Columns] = []
    waiting = 0
    for batch in batches:
        if batch.rows == batch_size and not waiting:
            yield batch
            continue
        columns, begin = Columns(batch.ids, batch.bags, batch.dense, batch.label), 0
        while waiting + columns.rows - begin >= batch_size:
            end = begin + batch_size - waiting
            yield _as_batch([*parts, columns.part(begin, end)])
            parts, waiting, begin = [], 0, end
        if begin < columns.rows:
            parts.append(columns.part(begin, columns.rows) if begin else columns)
            waiting += columns.rows - begin
    if waiting:
        yield _as_batch(parts)


def _as_batch(parts: list[Columns]) -> Batch:
    columns = parts[0] if len(parts) == 1 else join(parts)
    return Batch(columns.ids, columns.bags, columns.dense, columns.label)
