"""A copy of a batch in one piece of memory. A view that is kept would keep a loader's whole window alive."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from feedrate.loaders.base import Batch


@dataclass(frozen=True, slots=True)
class BatchCopy:
    """The words of all tensors of a batch, one after the other. Making one is part of a timed window, so it is cheap."""

    words: Tensor
    """int32 [words], on the batch's device."""
    names: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    """Of the ids, the bags and the continuous columns."""
    parts: tuple[tuple[torch.dtype, int], ...]
    """The dtype and the words of each tensor, in the order of Batch.tensors()."""

    @classmethod
    def of(cls, batch: Batch) -> BatchCopy:
        """Copy the batch with one kernel and without waiting for the device.

        Raises RuntimeError for tensors that do not have one dimension and elements of whole words.
        """
        tensors = batch.tensors()
        words = [tensor.contiguous().view(torch.int32) for tensor in tensors]
        parts = tuple([(tensor.dtype, part.shape[0]) for tensor, part in zip(tensors, words, strict=True)])
        return cls(torch.cat(words), (tuple(batch.ids), tuple(batch.bags), tuple(batch.dense)), parts)

    @property
    def nbytes(self) -> int:
        """Bytes that the copy takes."""
        return self.words.nbytes

    def batch(self) -> Batch:
        """Return the batch, as views of the copy. Tensors of 8-byte elements are copied: they may begin at any word."""
        split = torch.split(self.words, [words for _dtype, words in self.parts])
        tensors = iter(
            [
                (part.clone() if dtype.itemsize > 4 else part).view(dtype)
                for part, (dtype, _words) in zip(split, self.parts, strict=True)
            ]
        )
        ids, bags, dense = self.names
        return Batch(
            {name: next(tensors) for name in ids},
            {name: (next(tensors), next(tensors)) for name in bags},
            {name: next(tensors) for name in dense},
            next(tensors),
        )
