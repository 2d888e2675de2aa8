"""Row groups that tests hold in memory instead of in Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from feedrate.loaders.parquet.columns import Columns
from feedrate.loaders.parquet.decode import Group, Part

WINDOW_KERNELS = ("window_lengths", "window_rows", "pointed")
"""The kernels that mix a window, as tests.samples.compiled_kernels takes them."""


def row_groups(sizes: list[int]) -> list[Group]:
    """Return row groups of these numbers of rows, 8 bytes for each row."""
    return [Group(Path("f"), number, rows, 8 * rows) for number, rows in enumerate(sizes)]


class HeldGroups:
    """A decoder whose row groups are parts of columns in memory."""

    def __init__(self, columns: Columns, sizes: list[int]) -> None:
        self.groups = row_groups(sizes)
        self._parts = [Part(columns, end - size, end) for size, end in zip(sizes, accumulate(sizes), strict=True)]

    def read(self, groups: Sequence[Group]) -> list[Part]:
        return [self._parts[group.number] for group in groups]


def with_real_sizes(columns: Columns, groups: Sequence[Group]) -> list[Group]:
    """Return the row groups with the bytes that their tensors really take."""
    ends = accumulate(group.rows for group in groups)
    return [
        replace(group, nbytes=sum(tensor.nbytes for tensor in columns.slice(end - group.rows, end).tensors()))
        for group, end in zip(groups, ends, strict=True)
    ]
