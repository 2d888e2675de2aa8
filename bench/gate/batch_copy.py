"""A copy of a batch in one piece of memory. A view that is kept would keep a loader's whole window alive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from feedrate.loaders.base import Batch


@dataclass(frozen=True, slots=True)
class BatchCopy:
    """The words of all tensors of a batch, one after the other."""

    words: Tensor
    """int32 [words], on the batch's device."""
    like: Batch
    """A batch of empty tensors with the names and dtypes."""
    sizes: tuple[int, ...]
    """Words of each tensor, in the order of Batch.tensors()."""

    @classmethod
    def of(cls, batch: Batch) -> BatchCopy:
        """Copy the batch with one kernel and without waiting for the device. Elements must have 4 or 8 bytes."""
        parts = [tensor.contiguous().view(torch.int32) for tensor in batch.tensors()]
        like = batch.map(lambda tensor: torch.empty(0, dtype=tensor.dtype))
        return cls(torch.cat(parts), like, tuple(len(part) for part in parts))

    @property
    def nbytes(self) -> int:
        """Bytes that the copy takes."""
        return self.words.nbytes

    def batch(self) -> Batch:
        """Return the batch, as views of the copy."""
        parts: Iterator[Tensor] = iter(torch.split(self.words, list(self.sizes)))
        # a part may begin at a word that is no multiple of 8 bytes, so int64 needs a copy of its own
        return self.like.map(lambda empty: _viewed(next(parts), empty.dtype))


def _viewed(words: Tensor, dtype: torch.dtype) -> Tensor:
    return words.clone().view(dtype) if dtype.itemsize > 4 else words.view(dtype)
