"""A shard larger than the memory it may take: row groups read in random order, mixed within a window, a few windows in flight."""

from __future__ import annotations

import queue
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from feedrate.loaders.base import Batch, LoaderConfig, Schema, Split
from feedrate.loaders.columns import Columns, columns_of_table, draw_order, order_generator
from feedrate.loaders.errors import FeedrateError

COPIES = 6
"""Windows' worth of memory at the peak: one consumed, one ready, and the next as Arrow's table, joined, and as tensors."""


@dataclass(frozen=True, slots=True)
class Group:
    """A row group."""

    file: Path
    number: int
    rows: int
    nbytes: int
    """Of its columns as tensors."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows begin..end of a row group."""

    group: Group
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """Which rows come in which window. A window is a whole number of batches, but for the last."""

    groups: tuple[Group, ...]
    """In the epoch's order."""
    first: int
    last: int
    """Our rows, counted over `groups`: from first up to, not including, last."""
    window_rows: int

    @property
    def windows(self) -> int:
        return -(-(self.last - self.first) // self.window_rows)

    def pieces(self, window: int) -> list[Piece]:
        """What the window is read from."""
        begin = self.first + window * self.window_rows
        end = min(begin + self.window_rows, self.last)
        ends = list(accumulate(group.rows for group in self.groups))
        found = []
        for place in range(bisect_right(ends, begin), len(ends)):
            start = ends[place] - self.groups[place].rows
            if start >= end:
                break
            if self.groups[place].rows:
                found.append(
                    Piece(self.groups[place], max(begin - start, 0), min(end - start, self.groups[place].rows))
                )
        return found


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


def plan_epoch(groups: Sequence[Group], config: LoaderConfig, window_rows: int, epoch: int) -> EpochPlan:
    """Ranks take equal shares of the groups' sequence, which is the same for all of them, one after the other.

    window_rows: at most so many, a multiple of the batch size.
    """
    order = list(groups)
    if config.shuffle:
        order = [groups[place] for place in draw_order(len(groups), order_generator(config.seed, epoch)).tolist()]
    total = sum(group.rows for group in groups)
    each, more = divmod(total, config.world_size)
    first = config.rank * each + min(config.rank, more)
    rows = each + (config.rank < more)
    batches = -(-rows // config.batch_size)
    windows = max(1, -(-rows // window_rows))  # all about the same size: a small last one would mix worse
    return EpochPlan(tuple(order), first, first + rows, max(1, -(-batches // windows)) * config.batch_size)


def window_rows_for(groups: Sequence[Group], batch_size: int, budget_bytes: int, asked: int = 0) -> int:
    """Rows of a window: as asked for, or as many as the budget holds COPIES of; whole batches.

    Raises FeedrateError where the budget does not reach for the largest row group or a batch.
    """
    rows, nbytes = sum(group.rows for group in groups), sum(group.nbytes for group in groups)
    row_bytes = nbytes / max(rows, 1)
    largest = max((group.nbytes for group in groups), default=0)
    fits = int((budget_bytes - largest) / COPIES / max(row_bytes, 1)) // batch_size * batch_size
    if fits < batch_size:
        needed = int(largest + COPIES * batch_size * row_bytes) + COPIES
        raise FeedrateError(
            f"the memory budget of {budget_bytes:,} bytes does not reach: windows of {batch_size:,} rows, read by row groups "
            f"of up to {largest:,} bytes, need {needed:,}; a larger --memory-budget, a smaller batch or "
            "`feedrate prepare --row-group-rows` helps"
        )
    return max(batch_size, min(fits, asked) // batch_size * batch_size) if asked else fits


class StreamedRows:
    """Epochs of a split that is never held whole."""

    def __init__(
        self,
        groups: Sequence[Group],
        schema: Schema,
        config: LoaderConfig,
        window_rows: int,
        put: Callable[[Columns], Columns] = lambda columns: columns,
    ) -> None:
        """put: from host memory to where batches are wanted."""
        self._schema, self._config, self.window_rows, self._put = schema, config, window_rows, put
        self._groups = groups
        self._reader: Reader | None = None

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The epoch's batches from number `first` on; windows before it are not read."""
        self.close()  # the reader of an epoch that was left
        plan, size = plan_epoch(self._groups, self._config, self.window_rows, epoch), self._config.batch_size
        window, skipped = divmod(first * size, plan.window_rows)
        self._reader = reader = Reader(plan, self._schema, window, self._put)
        for number, columns in enumerate(reader, window):
            order = self._order(columns.rows, epoch, number).to(columns.label.device)
            for start in range(skipped, columns.rows, size):
                yield columns.take(order[start : start + size])
            skipped = 0

    def close(self) -> None:
        if self._reader is not None:
            self._reader.stop()
            self._reader = None

    def _order(self, rows: int, epoch: int, window: int) -> torch.Tensor:
        if not self._config.shuffle:
            return torch.arange(rows)
        seed = int(np.random.SeedSequence((self._config.seed, epoch, window, self._config.rank)).generate_state(1)[0])
        return draw_order(rows, torch.Generator().manual_seed(seed)).long()


class Reader:
    """Reads the windows of a plan in a thread, one ahead of the one that is consumed."""

    def __init__(self, plan: EpochPlan, schema: Schema, window: int, put: Callable[[Columns], Columns]) -> None:
        self._plan, self._schema, self._put = plan, schema, put
        self._ready: queue.Queue[Columns | Exception | None] = queue.Queue(1)
        self._stopped = threading.Event()
        self._kept: tuple[Group, pa.Table] | None = None
        self._thread = threading.Thread(target=self._run, args=(window,), name="reader", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Columns]:
        """Raises what reading raised."""
        while True:
            found = self._ready.get()
            if found is None:
                return
            if isinstance(found, Exception):
                raise found
            yield found

    def stop(self) -> None:
        """Wait until the thread has ended."""
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._ready.get_nowait()
            except queue.Empty:
                self._thread.join(0.01)

    def _run(self, window: int) -> None:
        try:
            for number in range(window, self._plan.windows):
                if self._stopped.is_set():
                    return
                self._ready.put(self._put(self._read(number)))
        except Exception as error:  # whatever it is, it belongs to the consumer
            self._ready.put(error)
        else:
            self._ready.put(None)

    def _read(self, window: int) -> Columns:
        """The last row group is kept: the next window begins in it."""
        names = list(self._schema.columns)
        tables = []
        for piece in self._plan.pieces(window):
            if self._kept is None or self._kept[0] is not piece.group:
                with pq.ParquetFile(piece.group.file) as parquet:
                    self._kept = piece.group, parquet.read_row_group(piece.group.number, columns=names)
            tables.append(self._kept[1].slice(piece.begin, piece.end - piece.begin))
        return columns_of_table(pa.concat_tables(tables), self._schema)
