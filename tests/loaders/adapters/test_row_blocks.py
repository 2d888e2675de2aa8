"""Blocks of rows hold the split's rows in order, and their shuffled epochs every row once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.parquet.columns import read_columns
from feedrate.loaders.toolkit import batch_of_arrow, names_of_arrays, row_blocks, shuffled_blocks
from feedrate.loaders.toolkit.row_blocks import table_of_block


def test_blocks_hold_the_rows_of_the_split_in_order(planted: Split) -> None:
    truth, begin = read_columns(planted), 0
    for block in row_blocks(planted, 3_000):
        assert {name: str(array.dtype) for name, array in block.items()} == names_of_arrays(planted.schema)
        batch = batch_of_arrow(table_of_block(block, planted.schema), planted.schema)
        wanted = truth.slice(begin, min(begin + 3_000, planted.rows))
        assert all(map(torch.equal, batch.tensors(), wanted.tensors()))
        begin += batch.rows
    assert begin == planted.rows


@pytest.mark.parametrize("shuffle", [True, False])
def test_ranks_together_read_every_row_once(planted: Split, shuffle: bool) -> None:
    blocks = list(row_blocks(planted, 1_000))
    column = next(name for name in names_of_arrays(planted.schema) if name.startswith("label/"))
    labels = []
    for rank in range(3):
        config = LoaderConfig(batch_size=256, shuffle=shuffle, rank=rank, world_size=3)
        batches = list(shuffled_blocks(blocks.__getitem__, planted, config, 1, block_rows=1_000, window_rows=2_500))
        assert sum(batch.rows for batch in batches) == config.rows_of(planted.rows)
        labels.extend(batch.label.numpy() for batch in batches)
    stored = np.concatenate([block[column] for block in blocks])
    delivered = np.concatenate(labels)
    assert np.array_equal(np.sort(delivered), np.sort(stored))
    assert np.array_equal(delivered, stored) is not shuffle
