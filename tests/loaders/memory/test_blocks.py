"""Blocks of memory that are lent until nothing refers to them any longer."""

from __future__ import annotations

import pytest
import torch

from feedrate.loaders.memory.blocks import ALIGNED, Blocks, Cutter


def test_a_block_is_lent_again_once_the_last_view_is_gone() -> None:
    blocks = Blocks(torch.empty(2, 256, dtype=torch.uint8))
    first, second = blocks.lend(None, needed=False), blocks.lend(None, needed=False)
    assert first is not None
    assert second is not None
    at = first.tensor.data_ptr()
    assert at != second.tensor.data_ptr()
    view = first.tensor[:8].view(torch.int32)
    del first
    assert blocks.lend(None, needed=False) is None
    view[:] = 7
    del view
    again = blocks.lend(None, needed=False)
    assert again is not None
    assert again.tensor.data_ptr() == at


def test_one_that_is_needed_is_made() -> None:
    blocks = Blocks(torch.empty(1, 256, dtype=torch.uint8))
    kept, other = blocks.lend(None, needed=True), blocks.lend(None, needed=True)
    assert kept is not None
    assert other is not None
    assert len(other.tensor) == 256
    kept.tensor.zero_()
    other.tensor.fill_(1)
    assert not kept.tensor.any()
    del other
    assert blocks.lend(None, needed=False) is None


def test_blocks_outlive_who_lent_them() -> None:
    blocks = Blocks(torch.empty(1, 256, dtype=torch.uint8))
    loan = blocks.lend(None, needed=False)
    assert loan is not None
    kept = loan.tensor
    kept.fill_(3)
    del blocks, loan
    assert kept.sum() == 3 * 256


def test_a_block_is_cut_into_aligned_tensors_and_what_does_not_fit_lies_beside_it() -> None:
    block = torch.zeros(4 * ALIGNED, dtype=torch.uint8)
    cutter = Cutter(block)
    tensors = [cutter.cut(count, kind) for count, kind in ((3, torch.int32), (16, torch.int64))]
    begins = [(tensor.data_ptr() - block.data_ptr()) for tensor in tensors]
    assert begins == [0, ALIGNED]
    beside = cutter.cut(2 * ALIGNED + 1, torch.uint8)
    assert not block.data_ptr() <= beside.data_ptr() < block.data_ptr() + len(block)
    last = cutter.cut(2 * ALIGNED, torch.uint8)
    assert last.data_ptr() == block.data_ptr() + 2 * ALIGNED


@pytest.mark.gpu
def test_on_a_gpu_a_block_is_written_again_after_it_was_read() -> None:
    blocks = Blocks(torch.empty(1, 1 << 26, dtype=torch.uint8, device="cuda"))
    side, reader = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
    read = []
    for value in range(8):  # the host is done with all of them before the first is read
        with torch.cuda.stream(side):
            loan = blocks.lend(side, needed=False)
            assert loan is not None
            loan.tensor.fill_(value)
            made = side.record_event()
        reader.wait_event(made)
        loan.readers.append(reader)
        torch.cuda._sleep(20_000_000)  # type: ignore[no-untyped-call]
        read.append(loan.tensor[:: 1 << 16].clone())
        del loan
    assert all((own == value).all() for value, own in enumerate(read))
