"""Where the values of a batch lie in memory, for loops and kernels that read them without torch."""

from __future__ import annotations

import torch


def addresses(tensors: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[int]]:
    """Return the tensors, each contiguous, and all their addresses, followed by all their numbers of 4-byte words.

    A tensor that is not contiguous is copied: its nbytes can exceed the memory behind it. Keep the tensors until they are read.
    """
    if not all(map(torch.Tensor.is_contiguous, tensors)):
        tensors = [tensor.contiguous() for tensor in tensors]
    return tensors, [tensor.data_ptr() for tensor in tensors] + [tensor.nbytes >> 2 for tensor in tensors]
