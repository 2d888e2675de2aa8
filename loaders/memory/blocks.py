"""Lends equal blocks of one allocation, each until nothing refers to it any longer, and cuts a block into tensors.

torch's own allocator also reuses memory, but does not keep to a budget. Memory that is freed while the device still
uses it cannot be reused at once, so torch allocates more in the meantime.
"""

from __future__ import annotations

import queue
import weakref
from dataclasses import dataclass, field

import torch

ALIGNED = 128
"""Alignment in bytes of the tensors in a block: a cache line of a GPU."""


@dataclass(frozen=True, slots=True)
class Loan:
    """A block on loan."""

    tensor: torch.Tensor
    """uint8 [bytes]. The block is free again once this tensor and all views of it are gone."""
    readers: list[torch.cuda.Stream] = field(default_factory=list)
    """Streams that read the block.

    Work enqueued there before the last view is gone completes before the block is used again.
    """


class Blocks:
    """Equal blocks of memory that are lent one at a time. A block may be returned in any thread."""

    def __init__(self, blocks: torch.Tensor) -> None:
        """blocks: uint8 [number of blocks, bytes of a block]."""
        self._nbytes, self._device = blocks.shape[1], blocks.device
        self._free: queue.SimpleQueue[tuple[torch.Tensor, list[torch.cuda.Event]]] = queue.SimpleQueue()
        for block in blocks:
            self._free.put((block, []))

    def lend(self, stream: torch.cuda.Stream | None, *, needed: bool) -> Loan | None:
        """Lend a free block. Its use on `stream` waits for the streams that last read it.

        If all blocks are on loan, return None, or with needed=True, a new block that is used only once. A consumer that
        keeps its batches therefore blocks nobody.
        """
        try:
            block, events = self._free.get_nowait()
        except queue.Empty:
            return Loan(torch.empty(self._nbytes, dtype=torch.uint8, device=self._device)) if needed else None
        if stream is not None:
            for event in events:
                stream.wait_event(event)
        return self._loan(block)

    def _loan(self, block: torch.Tensor) -> Loan:
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
    """Device memory in the form that torch accepts from other libraries.

    The tensors that torch makes of it keep this object alive. It is freed with the last of them.
    """

    def __init__(self, block: torch.Tensor) -> None:
        self._block = block
        self.__cuda_array_interface__ = {
            "shape": (block.numel(),),
            "typestr": "|u1",
            "data": (block.data_ptr(), False),
            "version": 2,
        }


class Cutter:
    """Cuts a block into tensors, one after the other. Their memory lives at least as long as the cutter."""

    def __init__(self, block: torch.Tensor) -> None:
        self._block, self._at = block, 0
        self._nbytes, self._address = len(block), block.data_ptr()
        self._extra: list[torch.Tensor] = []
        """Tensors that did not fit into the block."""

    def cut(self, count: int, dtype: torch.dtype) -> torch.Tensor:
        """Return a tensor for the next `count` values. It is allocated outside the block if it does not fit."""
        begin = self._at
        end = begin + count * dtype.itemsize
        if end > self._nbytes:
            self._extra.append(torch.empty(count, dtype=dtype, device=self._block.device))
            return self._extra[-1]
        self._at = aligned(end)
        return self._block[begin:end].view(dtype)

    def address(self, count: int, itemsize: int) -> int:
        """Return the address for the next `count` values of `itemsize` bytes each, for memory that only kernels use."""
        begin = self._at
        if begin + count * itemsize > self._nbytes:
            return self.cut(count * itemsize, torch.uint8).data_ptr()
        self._at = aligned(begin + count * itemsize)
        return self._address + begin


def aligned(nbytes: int) -> int:
    """Round bytes up to a multiple of ALIGNED."""
    return -(-nbytes // ALIGNED) * ALIGNED
