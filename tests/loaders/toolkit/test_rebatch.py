"""Batches of any size become batches of one size with the same rows."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from feedrate.loaders.base import Batch, Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.toolkit import Columns, read_columns, rebatch


@pytest.fixture(scope="module")
def columns(planted: Split) -> Columns:
    return read_columns(planted)


def cut(columns: Columns, sizes: Sequence[int]) -> list[Batch]:
    ends = torch.tensor([0, *sizes]).cumsum(0).tolist()
    return [columns.slice(begin, end) for begin, end in zip(ends, ends[1:], strict=False)]


@given(sizes=st.lists(st.integers(0, 40), max_size=12), batch_size=st.integers(1, 50))
def test_rows_keep_their_order_and_only_the_last_batch_is_short(
    columns: Columns, sizes: list[int], batch_size: int
) -> None:
    batches = list(rebatch(cut(columns, sizes), batch_size))
    total = sum(sizes)
    assert [batch.rows for batch in batches[:-1]] == [batch_size] * (
        total // batch_size - (total % batch_size == 0) if total else 0
    )
    assert sum(batch.rows for batch in batches) == total
    begin = 0
    for batch in batches:
        wanted = columns.slice(begin, begin + batch.rows)
        assert all(map(torch.equal, batch.tensors(), wanted.tensors()))
        begin += batch.rows


def test_a_batch_of_the_right_size_is_passed_on(columns: Columns) -> None:
    given_batches = cut(columns, [8, 8, 3])
    assert [id(batch) for batch in rebatch(given_batches, 8)][:2] == [id(batch) for batch in given_batches[:2]]


def test_batches_are_read_only_as_needed(columns: Columns) -> None:
    read: list[int] = []

    def batches():  # type: ignore[no-untyped-def]
        for number, batch in enumerate(cut(columns, [5, 5, 5])):
            read.append(number)
            yield batch

    next(rebatch(batches(), 6))
    assert read == [0, 1]


def test_an_invalid_size_is_refused() -> None:
    with pytest.raises(FeedrateError, match="batch_size is 0"):
        list(rebatch([], 0))
