"""Reads batches in host memory with one compiled loop: a sum by torch takes longer than a column of a small batch."""

from __future__ import annotations

from struct import Struct
from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

from feedrate.bench.consumer.addresses import addresses
from feedrate.loaders.base import Batch
from feedrate.loaders.packed.host_kernels import compiled


class HostReader:
    """Sums the 4-byte words of every tensor of a batch on the CPU."""

    def __init__(self, tensors: int) -> None:
        """tensors: of a batch."""
        self._tensors, self._place = tensors, 0
        self._sums = np.zeros((1, tensors), np.uint64)
        self._numbers = np.zeros(2 * tensors, np.uint64)
        self._fill = Struct(f"{2 * tensors}Q").pack_into
        sum_words(self._numbers, self._sums, 0)  # compile it now

    def begin(self, batches: int) -> None:
        """Make room for the sums of this many batches, and one more for all that come later."""
        self._place, self._sums = 0, np.zeros((batches + 1, self._tensors), np.uint64)

    def __call__(self, batch: Batch) -> None:
        """Sum every tensor of the batch."""
        tensors = batch.tensors()
        if len(tensors) != self._tensors:  # whoever looks at the batch's form will say so
            return
        if not all(tensor.is_cpu for tensor in tensors):
            tensors = [tensor.cpu() for tensor in tensors]
        tensors, numbers = addresses(tensors)
        self._fill(self._numbers.data, 0, *numbers)
        sum_words(self._numbers, self._sums, min(self._place, len(self._sums) - 1))
        self._place += 1

    def sums(self) -> np.ndarray:
        """Return the sums of each batch and tensor, uint64 [batches, tensors]."""
        return self._sums[: min(self._place, len(self._sums))]


@intrinsic  # type: ignore[untyped-decorator]
def _words_at(_typing: Any, _address: Any) -> Any:
    """Return the address, uint64, as a pointer to signed 4-byte words."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.int32)(types.uint64), generate  # type: ignore[attr-defined]


@compiled
def sum_words(numbers: np.ndarray, sums: np.ndarray, place: int) -> None:
    """Add the sum of each of N tensors' words to sums[place], modulo 2^64.

    numbers: uint64 [2 N], the addresses of all tensors and their numbers of words. sums: uint64 [batches, N].
    """
    count = len(numbers) // 2
    for i in range(count):
        words = numba.carray(_words_at(numbers[i]), np.int64(numbers[count + i]))
        total = np.int64(0)
        for word in words:
            total += word
        sums[place, i] += np.uint64(total)
