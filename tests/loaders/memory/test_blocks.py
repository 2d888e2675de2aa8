"""Blocks of memory: they are lent until nothing refers to them any longer."""

from __future__ import annotations

import pytest
import torch

from feedrate.loaders.memory.blocks import ALIGNED, Blocks, Cutter


def test_a_block_is_lent_again_once_the_last_view_is_gone() -> None:
    blocks = Blocks(torch.empty(2, 256, dtype=torch.uint8))
    first, second = blocks.lend(None, needed=False), blocks.lend(None, needed=False)
    assert first is not None
    assert second is not None
    address = first.tensor.data_ptr()
    assert address != second.tensor.data_ptr()
    view = first.tensor[:8].view(torch.int32)
    del first
    assert blocks.lend(None, needed=False) is None
    view[:] = 7
    del view
    again = blocks.lend(None, needed=False)
    assert again is not None
    assert again.tensor.data_ptr() == address


def test_a_needed_block_is_allocated_if_none_is_free() -> None:
    blocks = Blocks(torch.empty(1, 256, dtype=torch.uint8))
    kept, extra = blocks.lend(None, needed=True), blocks.lend(None, needed=True)
    assert kept is not None
    assert extra is not None
    assert len(extra.tensor) == 256
    kept.tensor.zero_()
    extra.tensor.fill_(1)
    assert not kept.tensor.any()
    del extra
    assert blocks.lend(None, needed=False) is None


def test_a_lent_block_outlives_the_object_that_lent_it() -> None:
    blocks = Blocks(torch.empty(1, 256, dtype=torch.uint8))
    loan = blocks.lend(None, needed=False)
    assert loan is not None
    kept = loan.tensor
    kept.fill_(3)
    del blocks, loan
    assert kept.sum() == 3 * 256


def test_a_block_is_cut_into_aligned_tensors_and_larger_ones_are_allocated_beside_it() -> None:
    block = torch.zeros(4 * ALIGNED, dtype=torch.uint8)
    cutter = Cutter(block)
    tensors = [cutter.cut(count, dtype) for count, dtype in ((3, torch.int32), (16, torch.int64))]
    begins = [(tensor.data_ptr() - block.data_ptr()) for tensor in tensors]
    assert begins == [0, ALIGNED]
    beside = cutter.cut(2 * ALIGNED + 1, torch.uint8)
    assert not block.data_ptr() <= beside.data_ptr() < block.data_ptr() + len(block)
    last = cutter.cut(2 * ALIGNED, torch.uint8)
    assert last.data_ptr() == block.data_ptr() + 2 * ALIGNED


@pytest.mark.gpu
def test_on_a_gpu_a_block_is_written_again_only_after_it_was_read() -> None:
    blocks = Blocks(torch.empty(1, 1 << 26, dtype=torch.uint8, device="cuda"))
    side, reader = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
    copies = []
    for value in range(8):  # the host has enqueued all of them before the first is read
        with torch.cuda.stream(side):
            loan = blocks.lend(side, needed=False)
            assert loan is not None
            loan.tensor.fill_(value)
            written = side.record_event()
        reader.wait_event(written)
        loan.readers.append(reader)
        torch.cuda._sleep(20_000_000)  # type: ignore[no-untyped-call]
        copies.append(loan.tensor[:: 1 << 16].clone())
        del loan
    assert all((copy == value).all() for value, copy in enumerate(copies))
