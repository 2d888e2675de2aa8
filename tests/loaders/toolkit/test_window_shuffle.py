"""Window shuffles deliver every row once, and mix rows of several row groups."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from feedrate.loaders.base import Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.toolkit import read_columns, window_shuffle

ROWS = 1000


@pytest.fixture(scope="module")
def groups(planted: Split) -> list[pa.Table]:
    table = pq.read_table(planted.files[0]).slice(0, ROWS)
    return [table.slice(begin, 100) for begin in range(0, ROWS, 100)]


def order(split: Split, groups: list[pa.Table], *, window_rows: int = 300, seed: int | None = 1) -> list[int]:
    batches = window_shuffle(groups, split.schema, window_rows=window_rows, batch_size=64, seed=seed)
    return [row for batch in batches for row in batch.ids["row"].tolist()]


@pytest.mark.parametrize("seed", [1, None])
@pytest.mark.parametrize("window_rows", [1, 250, 300, 5000])
@pytest.mark.parametrize("batch_size", [1, 64, 350, 1000, 2000])
def test_every_row_arrives_once_and_intact(
    planted: Split, groups: list[pa.Table], window_rows: int, batch_size: int, seed: int | None
) -> None:
    columns = read_columns(planted)
    batches = list(window_shuffle(groups, planted.schema, window_rows=window_rows, batch_size=batch_size, seed=seed))
    rows = torch.cat([batch.ids["row"] for batch in batches])
    assert sorted(rows.tolist()) == list(range(ROWS))
    assert [batch.rows for batch in batches] == [min(batch_size, ROWS - at) for at in range(0, ROWS, batch_size)]
    for batch in batches:
        wanted = columns.take(batch.ids["row"].long())
        assert all(map(torch.equal, batch.tensors(), wanted.tensors()))


def test_rows_are_mixed_within_a_window_only(planted: Split, groups: list[pa.Table]) -> None:
    first = order(planted, groups)[:256]
    assert max(first) < 300
    assert len({row // 100 for row in first}) == 3


def test_the_seed_fixes_the_order(planted: Split, groups: list[pa.Table]) -> None:
    assert order(planted, groups) == order(planted, groups)
    assert order(planted, groups) != order(planted, groups, seed=2)


def test_without_a_seed_rows_keep_the_order_of_the_groups(planted: Split, groups: list[pa.Table]) -> None:
    assert order(planted, groups, seed=None) == list(range(ROWS))


def test_only_one_window_is_read_before_the_first_batch(planted: Split, groups: list[pa.Table]) -> None:
    read: list[int] = []

    def noted() -> Iterator[pa.Table]:
        for number, group in enumerate(groups):
            read.append(number)
            yield group

    next(window_shuffle(noted(), planted.schema, window_rows=300, batch_size=64, seed=1))
    assert read == [0, 1, 2]


def test_no_groups_give_no_batches(planted: Split) -> None:
    assert order(planted, []) == []


def test_an_invalid_window_is_refused(planted: Split) -> None:
    with pytest.raises(FeedrateError, match="window_rows is 0"):
        order(planted, [], window_rows=0)
