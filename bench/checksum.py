"""An order-independent checksum of rows: the same for a dataset's files and for an epoch that delivered them rightly.

Each row is hashed over all its columns (a bag with the position of each value in it); the hashes are summed modulo 2**64.
Whatever order the rows come in, the sum is the same; a row lost, doubled, or put together from two rows changes it.
All arithmetic is int64, which wraps on every device alike.
"""

from __future__ import annotations

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

    def add(self, batch: Batch) -> None:
        total = row_hashes(batch).sum()
        self._rows += batch.rows
        self._sum = total if self._sum is None else self._sum + total

    def result(self) -> Checksum:
        """Waits for the device."""
        total = 0 if self._sum is None else int(self._sum.item())
        return Checksum(self._rows, f"{total % 2**64:016x}")


def row_hashes(batch: Batch) -> Tensor:
    """int64 [B]."""
    salt = 0
    row = torch.zeros(batch.rows, dtype=torch.int64, device=batch.label.device)
    for ids in batch.ids.values():
        salt += 1
        row += _mix(ids.long() + _salted(salt))
    for values, offsets in batch.bags.values():
        salt += 1
        row += _bag_hashes(values.long(), offsets.long(), _salted(salt))
    for column in (*batch.dense.values(), batch.label):
        salt += 1
        row += _mix(column.view(torch.int32).long() + _salted(salt))
    return _mix(row)


def _bag_hashes(values: Tensor, offsets: Tensor, salt: int) -> Tensor:
    lengths = offsets[1:] - offsets[:-1]
    position = torch.arange(len(values), device=values.device) - torch.repeat_interleave(
        offsets[:-1], lengths, output_size=len(values)
    )
    hashes = _mix(values * MIX_B + position * GOLDEN + salt)
    ends = torch.zeros(len(values) + 1, dtype=torch.int64, device=values.device)
    torch.cumsum(hashes, 0, out=ends[1:])
    return _mix(ends[offsets[1:]] - ends[offsets[:-1]] + lengths)


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's finaliser; shifts keep the sign, which mixes as well here."""
    x = (x ^ (x >> 30)) * MIX_A
    x = (x ^ (x >> 27)) * MIX_B
    return x ^ (x >> 31)


def _salted(number: int) -> int:
    """A constant for each column, as a signed 64-bit integer."""
    return (number * GOLDEN + 2**63) % 2**64 - 2**63
