"""How large a window and how many reads a memory budget holds."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from feedrate.loaders.base import LoaderConfig
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.packed.budget import (
    HOST_COPIES,
    READ_BUDGET_FRACTION,
    Contents,
    device_reads,
    host_need,
    largest_window,
    pool_bytes,
)
from feedrate.loaders.parquet.decode import Group
from tests.samples.held_groups import row_groups


def test_a_window_is_as_large_as_the_budget_holds() -> None:
    contents = Contents(row_groups([1000] * 10))
    need, config = partial(host_need, contents), LoaderConfig(batch_size=100)
    budget = 8 * 1000 + HOST_COPIES * 8 * 730
    assert largest_window(contents, config, budget, 0, need) == 700
    assert largest_window(contents, config, 10**9, 250, need) == 200
    assert largest_window(contents, config, 10**9, 0, need) == 10_000
    large = Contents([Group(Path("f"), number, 2**28, 8 * 2**28) for number in range(32)])
    assert largest_window(large, LoaderConfig(batch_size=2**20), 10**15, 0, lambda _rows: 0) == 2**30 - 2**20
    with pytest.raises(FeedrateError, match=r"the memory budget of 8,500 bytes is too small.* need 12,800"):
        largest_window(contents, config, 8_500, 0, need)


def test_a_window_is_planned_for_the_row_groups_with_the_most_bytes_per_row() -> None:
    groups = [Group(Path("f"), 0, 100, 8 * 100), Group(Path("f"), 1, 10, 1000), Group(Path("f"), 2, 0, 4)]
    contents = Contents(groups)
    assert [contents.nbytes(rows) for rows in (5, 10, 60, 110, 200)] == [500, 1000, 1400, 1800, 1800]
    assert [contents.pieces(rows) for rows in (5, 10, 11, 110)] == [2, 2, 3, 3]


def test_a_small_budget_means_fewer_threads_and_a_large_one_more_row_groups_per_read() -> None:
    contents = Contents([Group(Path("f"), number, 1000, 10**6, 2 * 10**6) for number in range(20)])
    reads = [device_reads(contents, budget) for budget in (10**5, 12 * 10**6, 14 * 10**6, 10**8, 10**12)]
    assert [(read.threads, read.groups) for read in reads] == [(1, 1), (2, 1), (3, 1), (3, 7), (3, 32)]
    for read, budget in list(zip(reads, (10**5, 12 * 10**6, 14 * 10**6, 10**8), strict=False))[1:]:
        assert pool_bytes(contents, read, 0) <= READ_BUDGET_FRACTION * budget
