"""Bags of values and offsets, and the shares of ranks."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from feedrate.loaders.parquet.columns import epoch_order, take_bags

bags_strategy = st.lists(st.lists(st.integers(0, 50), max_size=30), min_size=1, max_size=40)


def _packed(bags: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([value for bag in bags for value in bag], np.int32)
    return values, np.concatenate([[0], np.cumsum([len(bag) for bag in bags])]).astype(np.int32)


@given(bags_strategy, st.data())
def test_take_bags_copies_the_bags_in_the_given_order(bags: list[list[int]], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(bags) - 1), max_size=60))
    values, offsets = (torch.from_numpy(array) for array in _packed(bags))
    taken, bounds = take_bags(values, offsets, torch.tensor(rows, dtype=torch.int64))
    assert [taken[begin:end].tolist() for begin, end in zip(bounds[:-1], bounds[1:], strict=True)] == [
        bags[row] for row in rows
    ]


@given(st.integers(1, 500), st.integers(1, 7), st.booleans())
def test_ranks_share_the_rows_evenly(rows: int, world: int, shuffle: bool) -> None:
    orders = [epoch_order(rows, shuffle=shuffle, seed=3, epoch=2, rank=rank, world_size=world) for rank in range(world)]
    assert sorted(np.concatenate(orders).tolist()) == list(range(rows))
    assert max(map(len, orders)) - min(map(len, orders)) <= 1
