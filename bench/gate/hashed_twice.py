"""Hashes the rows of an epoch twice: as they are handed over, and again after the loader has moved on."""

from __future__ import annotations

import torch

from feedrate.bench.datasets.rows.checksum import RowSum
from feedrate.bench.gate.shuffle import ShuffleWatch
from feedrate.loaders.base import Batch
from feedrate.loaders.parquet.columns import Columns, join

TOGETHER_ROWS = 32_768
"""Rows from which on a batch is hashed by itself. Of smaller ones, torch's calls cost more than their work, so several are hashed together."""


class HashedTwice:
    """The batches of an epoch, in the order in which they come."""

    def __init__(self, watch: ShuffleWatch | None) -> None:
        """watch: sees the hashes of all rows, if the shuffle is judged."""
        self.at_once, self.later = RowSum(), RowSum()
        """Sums of the row hashes at both times."""
        self.start: torch.Tensor | None = None
        """Row hashes of the first batch, in order: int64 [B]."""
        self.sums: list[torch.Tensor] = []
        """Sum of the row hashes of each batch, as it was handed over."""
        self._watch = watch
        self._copies: list[Batch] = []
        self._rows = 0

    def add(self, batch: Batch) -> None:
        """Take a batch as it is now. Waits for no device."""
        small = batch.rows < TOGETHER_ROWS
        self._copies.append(batch.map(torch.clone) if small else batch)
        self._rows += batch.rows
        if self._rows >= TOGETHER_ROWS:
            self.flush()

    def flush(self) -> None:
        """Hash what has been taken."""
        copies, self._copies, self._rows = self._copies, [], 0
        if not copies:
            return
        hashes = self.at_once.add(joined(copies))
        parts = torch.split(hashes, [batch.rows for batch in copies])
        self.sums += [part.sum() for part in parts]
        self.start = parts[0] if self.start is None else self.start
        if self._watch:
            self._watch.add(hashes)

    def again(self, held: list[Batch]) -> None:
        """Hash batches a second time."""
        if held:
            self.later.add(joined(held))


def joined(batches: list[Batch]) -> Batch:
    """Return all rows in one batch."""
    if len(batches) == 1:
        return batches[0]
    rows = join([Columns(batch.ids, batch.bags, batch.dense, batch.label) for batch in batches])
    return Batch(rows.ids, rows.bags, rows.dense, rows.label)
