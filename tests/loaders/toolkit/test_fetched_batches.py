"""Batches are fetched by position, in the order of the epoch, and the same in worker processes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from feedrate.loaders.base import Batch, LoaderConfig, Split
from feedrate.loaders.toolkit import FetchedBatches, epoch_order, read_columns

CONFIG = LoaderConfig(batch_size=600, seed=3, rank=1, world_size=4)


class Fetch:
    def __init__(self, split: Split) -> None:
        self._columns = read_columns(split)

    def __call__(self, positions: np.ndarray) -> Batch:
        return self._columns.take(torch.from_numpy(positions))


@pytest.mark.parametrize("workers", [0, 2])
def test_each_batch_holds_the_next_positions_of_the_epoch(planted: Split, workers: int) -> None:
    batches = FetchedBatches(Fetch(planted), planted.rows, replace(CONFIG, workers=workers))
    wanted = epoch_order(planted.rows, shuffle=True, seed=3, epoch=2, rank=1, world_size=4)
    read = list(batches.epoch(2))
    assert [batch.rows for batch in read] == [600, 600, 600, 600, 102]
    assert torch.cat([batch.ids["row"] for batch in read]).tolist() == wanted.tolist()
    assert all(isinstance(batch.bags["tags"], tuple) for batch in read)
    batches.close()
    batches.close()
