"""What the trial's loop notes about the batches of an epoch while they pass by: their sizes, and which ones to look at."""

from __future__ import annotations

from feedrate.loaders.base import Batch

NEVER = -1


class BatchWatch:
    """Notes the sizes of batches. Subclasses look at some of them."""

    def __init__(self) -> None:
        self.next = NEVER
        """Number of the next batch to look at, from 0."""
        self.odd: tuple[int, int] | None = None
        """Number and rows of the first batch without the batch size. The loop sets it at the end of the epoch."""
        self.delivered = 0
        """Batches of the epoch. The loop sets it at the end."""

    def take(self, batch: Batch) -> None:
        """Look at the batch whose number is `next`, and set `next` to a later one."""

    def wrong_size(self, batch_size: int) -> str:
        """Return a sentence if a batch has a wrong size, and an empty string otherwise. Call it after the epoch."""
        return wrong_size(self.odd, self.delivered, batch_size)


def wrong_size(odd: tuple[int, int] | None, batches: int, batch_size: int) -> str:
    """Return a sentence if a batch has a wrong size, and an empty string otherwise.

    odd: number, from 0, and rows of the first batch without the batch size. batches: of the epoch.
    """
    if odd is None or (odd[0] == batches - 1 and odd[1] < batch_size):
        return ""
    number, rows = odd
    return f"batch {number + 1} of {batches:,} has {rows:,} rows, but must have the batch size, {batch_size:,}"
