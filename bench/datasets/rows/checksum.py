"""A checksum of rows that does not depend on their order: equal for a dataset's files and for an epoch that delivers them all.

Each row is hashed over all its columns (a bag with the position of each value in it); the hashes are summed modulo 2**64.
The order of the rows does not change the sum. A row that is lost, doubled, or put together from two rows does.
All arithmetic is int64, which wraps on every device alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from feedrate.loaders.base import Batch

if TYPE_CHECKING:
    from torch import Tensor

# Odd 64-bit multipliers of SplitMix64 (Steele, Lea, Flood 2014), as signed integers.
GOLDEN = 0x9E3779B97F4A7C15 - 2**64
MIX_A = 0xBF58476D1CE4E5B9 - 2**64
MIX_B = 0x94D049BB133111EB - 2**64


@dataclass(frozen=True, slots=True)
class Checksum:
    """Rows seen and the sum of their hashes."""

    rows: int
    digest: str
    """16 hexadecimal digits."""


class RowSum:
    """Adds up batches, on their device and without waiting for it."""

    def __init__(self) -> None:
        self._rows = 0
        self._sum: Tensor | None = None

    def add(self, batch: Batch) -> Tensor:
        """Add a batch and return the hashes of its rows, int64 [B]."""
        hashes = row_hashes(batch)
        total = hashes.sum()
        self._rows += len(hashes)
        self._sum = total if self._sum is None else self._sum + total
        return hashes

    def result(self) -> Checksum:
        """Return the sum so far. Waits for the device."""
        total = 0 if self._sum is None else int(self._sum.item())
        return Checksum(self._rows, f"{total % 2**64:016x}")


def row_hashes(batch: Batch) -> Tensor:
    """Return a hash of each row, int64 [B]."""
    return mixed(column_hashes(batch).values())


def column_hashes(batch: Batch) -> dict[str | None, Tensor]:
    """Return each column's part in the row hashes, int64 [B], by name. The label's is under None: no column has that name."""
    parts: dict[str | None, Tensor] = {}
    for name, ids in batch.ids.items():
        parts[name] = _mix(ids.long() + _salted(len(parts) + 1))
    for name, (values, offsets) in batch.bags.items():
        parts[name] = _bag_hashes(values.long(), offsets.long(), _salted(len(parts) + 1))
    for name, column in batch.dense.items():
        parts[name] = _mix(column.view(torch.int32).long() + _salted(len(parts) + 1))
    parts[None] = _mix(batch.label.view(torch.int32).long() + _salted(len(parts) + 1))
    return parts


def mixed(columns: Iterable[Tensor]) -> Tensor:
    """Combine the parts of some columns to row hashes, int64 [B]."""
    first, *rest = columns
    row = first.clone()
    for column in rest:
        row += column
    return _mix(row)


def _bag_hashes(values: Tensor, offsets: Tensor, salt: int) -> Tensor:
    lengths = offsets[1:] - offsets[:-1]
    place = torch.arange(len(values), device=values.device)
    if values.is_cuda:  # wrong offsets must not end the process, so nothing is indexed past its end
        offsets = offsets.clamp(0, len(values))
        owner = torch.searchsorted(offsets[1:].contiguous(), place, right=True).clamp_(max=len(lengths) - 1)
        position = place - offsets[owner]
    else:
        position = place - torch.repeat_interleave(offsets[:-1], lengths, output_size=len(values))
    hashes = _mix(values * MIX_B + position * GOLDEN + salt)
    ends = torch.zeros(len(values) + 1, dtype=torch.int64, device=values.device)
    torch.cumsum(hashes, 0, out=ends[1:])
    return _mix(ends[offsets[1:]] - ends[offsets[:-1]] + lengths)


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's finaliser. The shifts keep the sign, which mixes just as well here."""
    x = (x >> 30).bitwise_xor_(x).mul_(MIX_A)
    x = (x >> 27).bitwise_xor_(x).mul_(MIX_B)
    return (x >> 31).bitwise_xor_(x)


def _salted(number: int) -> int:
    """A constant for each column, as a signed 64-bit integer."""
    return (number * GOLDEN + 2**63) % 2**64 - 2**63
