"""Views of a block are its rows, in batches."""

from __future__ import annotations

import pytest
import torch

from feedrate.loaders.base import Split
from feedrate.loaders.toolkit import batch_views, read_columns


@pytest.mark.parametrize(("begin", "end"), [(0, 1000), (0, 1), (7, 1007), (300, 300)])
@pytest.mark.parametrize("batch_size", [1, 100, 333, 1000, 5000])
def test_views_hold_the_rows_of_the_block_in_order(planted: Split, begin: int, end: int, batch_size: int) -> None:
    columns = read_columns(planted)
    batches = list(batch_views(columns.slice(begin, end), batch_size))
    starts = range(begin, end, batch_size)
    for start, batch in zip(starts, batches, strict=True):
        wanted = columns.slice(start, min(start + batch_size, end))
        assert all(map(torch.equal, batch.tensors(), wanted.tensors()))
        assert [tensor.dtype for tensor in batch.tensors()] == [tensor.dtype for tensor in wanted.tensors()]


def test_columns_are_not_copied(planted: Split) -> None:
    block = read_columns(planted).slice(0, 1000)
    second = list(batch_views(block, 100))[1]
    assert second.label.data_ptr() == block.label[100:].data_ptr()
    assert second.bags["genres"][0].untyped_storage().data_ptr() == block.bags["genres"][0].untyped_storage().data_ptr()
