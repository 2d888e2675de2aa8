"""Compares delivered rows with the file's rows of the same numbers, column by column."""

from __future__ import annotations

import torch
from torch import Tensor

from feedrate.loaders.base import Batch, Schema
from feedrate.loaders.conformance.splits import row_column
from feedrate.loaders.parquet.columns import Columns, join

MIN_ROWS = 1024
"""Rows that are compared at a time. Smaller batches are copied and joined first, which is faster."""


class ContentsWatch:
    """Collects the columns that differ from the file's in some batch. Floats are compared bit by bit."""

    def __init__(self, truth: Columns, schema: Schema) -> None:
        """truth: all rows of the files."""
        self.wrong: set[str] = set()
        """Names of the columns that differ. Complete after flush()."""
        self._truth, self._row, self._label = truth, row_column(schema), schema.label
        self._waiting: list[Columns] = []
        self._rows = 0

    def add(self, batch: Batch) -> None:
        """Add a batch on the CPU. Nothing of it is kept, so the loader may overwrite it afterwards."""
        if batch.rows >= MIN_ROWS:
            self._compare(batch)
            return
        for name, (values, offsets) in batch.bags.items():  # joining bags takes this for granted
            if int(offsets[0]) != 0 or int(offsets[-1]) != len(values):
                self.wrong.add(name)
        copy = batch.map(Tensor.clone)
        self._waiting.append(Columns(copy.ids, copy.bags, copy.dense, copy.label))
        self._rows += batch.rows
        if self._rows >= MIN_ROWS:
            self.flush()

    def flush(self) -> None:
        """Compare the batches that wait."""
        if self._waiting:
            joined = join(self._waiting)
            self._compare(Batch(joined.ids, joined.bags, joined.dense, joined.label))
        self._waiting, self._rows = [], 0

    def _compare(self, batch: Batch) -> None:
        numbers = batch.ids[self._row].long()
        if not bool(((numbers >= 0) & (numbers < self._truth.rows)).all()):  # the rule on row numbers reports it
            return
        wanted = self._truth.take(numbers)
        pairs = [(name, batch.ids[name], column) for name, column in wanted.ids.items()]
        for name, bag in wanted.bags.items():
            pairs += [(name, delivered, column) for delivered, column in zip(batch.bags[name], bag, strict=True)]
        pairs += [(name, _bits(batch.dense[name]), _bits(column)) for name, column in wanted.dense.items()]
        pairs.append((self._label, _bits(batch.label), _bits(wanted.label)))
        for name, delivered, column in pairs:
            if not torch.equal(delivered.long(), column.long()):
                self.wrong.add(name)


def _bits(column: Tensor) -> Tensor:
    """Return the bits of a float32 column as integers: -0.0 and 0.0 differ, and a NaN equals itself."""
    return column.contiguous().view(torch.int32)
