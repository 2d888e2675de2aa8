"""Equal blocks of one allocation, each lent until nothing refers to it any longer, and a block cut into tensors.

torch's own allocator gives memory back in the same way, but not to a budget: what is freed while the device still works on it
cannot be had again at once, and something else is allocated meanwhile.
"""

from __future__ import annotations

import queue
import weakref
from dataclasses import dataclass, field

import torch

ALIGNED = 128
"""Bytes that tensors in a block begin at multiples of: a line of a GPU's cache."""


@dataclass(frozen=True, slots=True)
class Loan:
    """A block while somebody has it."""

    tensor: torch.Tensor
    """uint8 [bytes]: the block is free once it and all views of it are gone."""
    readers: list[torch.cuda.Stream] = field(default_factory=list)
    """Where it is read: what is enqueued there before the last view is gone comes before the block is used again."""


class Blocks:
    """Given back in any thread."""

    def __init__(self, blocks: torch.Tensor) -> None:
        """blocks: uint8 [number, bytes]."""
        self._nbytes, self._device = blocks.shape[1], blocks.device
        self._free: queue.SimpleQueue[tuple[torch.Tensor, list[torch.cuda.Event]]] = queue.SimpleQueue()
        for block in blocks:
            self._free.put((block, []))

    def lend(self, stream: torch.cuda.Stream | None, *, needed: bool) -> Loan | None:
        """A free one, whose use on `stream` waits for what last read it. Where all are lent: None, or, if it is needed, a new one
        for once, so that whoever keeps batches stops nobody."""
        try:
            block, read = self._free.get_nowait()
        except queue.Empty:
            return Loan(torch.empty(self._nbytes, dtype=torch.uint8, device=self._device)) if needed else None
        if stream is not None:
            for event in read:
                stream.wait_event(event)
        return self._lent(block)

    def _lent(self, block: torch.Tensor) -> Loan:
        owner = _Owner(block) if block.is_cuda else block.numpy()
        loan = Loan(torch.as_tensor(owner, device=block.device))
        weakref.finalize(owner, _give_back, self._free, block, loan.readers).atexit = False
        return loan


def _give_back(
    free: queue.SimpleQueue[tuple[torch.Tensor, list[torch.cuda.Event]]],
    block: torch.Tensor,
    readers: list[torch.cuda.Stream],
) -> None:
    free.put((block, [reader.record_event() for reader in readers]))


class _Owner:
    """Memory on a device as others than torch have it: what torch makes of it refers to this for as long as it lives."""

    def __init__(self, block: torch.Tensor) -> None:
        self._block = block
        self.__cuda_array_interface__ = {
            "shape": (block.numel(),),
            "typestr": "|u1",
            "data": (block.data_ptr(), False),
            "version": 2,
        }


class Cutter:
    """Cuts a block into tensors, one after the other. Their memory is there for as long as the cutter is, at least."""

    def __init__(self, block: torch.Tensor) -> None:
        self._block, self._at = block, 0
        self._nbytes, self._address = len(block), block.data_ptr()
        self._beside: list[torch.Tensor] = []

    def cut(self, count: int, kind: torch.dtype) -> torch.Tensor:
        """The next `count` values; beside the block where they do not fit."""
        begin = self._at
        end = begin + count * kind.itemsize
        if end > self._nbytes:
            self._beside.append(torch.empty(count, dtype=kind, device=self._block.device))
            return self._beside[-1]
        self._at = aligned(end)
        return self._block[begin:end].view(kind)

    def address(self, count: int, itemsize: int) -> int:
        """Of the next `count` values of so many bytes: what a kernel alone needs."""
        begin = self._at
        if begin + count * itemsize > self._nbytes:
            return self.cut(count * itemsize, torch.uint8).data_ptr()
        self._at = aligned(begin + count * itemsize)
        return self._address + begin


def aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNED) * ALIGNED
