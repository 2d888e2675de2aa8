"""Really reading a batch on its device: a loader that has only enqueued its copies must not look fast.

On a GPU one kernel reads every tensor of the batch, so that reading is not what limits the loaders that it measures; without
CuPy, a sum for each tensor does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from feedrate.loaders.base import Batch

BLOCKS, THREADS = 264, 256
"""Two blocks for each of a Hopper's 132 multiprocessors."""

_SOURCE = r"""
typedef unsigned int u32;
extern "C" __global__ void read_all(PARAMETERS, u32* out) {
    u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x, found = 0;
READS
    if (found == 0x9e3779b9u) *out = found;  // a compiler may not leave out what could be written
}
"""


def reader(device: str) -> Callable[[Batch], None]:
    """What reads every byte of a batch, on the current stream; 4-byte and 8-byte types only, as batches have."""
    if device != "cpu":
        try:
            import cupy
        except ImportError:
            return sums
        return FusedReader(cupy, device)
    return sums


def sums(batch: Batch) -> None:
    for tensor in batch.tensors():
        tensor.sum()


def source(tensors: int) -> str:
    """A kernel `read_all` of so many pointers, each with its number of 4-byte words, and a place to write to."""
    parameters = ", ".join(f"const u32* at_{i}, u32 words_{i}" for i in range(tensors))
    reads = "\n".join(
        f"    for (u32 i = thread; i < words_{i}; i += threads) found ^= at_{i}[i];" for i in range(tensors)
    )
    return _SOURCE.replace("PARAMETERS", parameters).replace("READS", reads)


class FusedReader:
    """One launch a batch. The consumer's stream is the default one, torch's and CuPy's alike."""

    def __init__(self, cupy: Any, device: str) -> None:
        self._cupy = cupy
        self._device = cupy.cuda.Device(torch.device(device).index or 0)
        self._out = torch.zeros(1, dtype=torch.int32, device=device)
        self._kernels: dict[int, Any] = {}

    def __call__(self, batch: Batch) -> None:
        arguments: list[Any] = []
        tensors = batch.tensors()
        for tensor in tensors:
            if tensor.is_contiguous():
                arguments += (tensor.data_ptr(), np.uint32(tensor.nbytes // 4))
            else:  # what it says to hold may be more than what lies there
                tensor.sum()
                arguments += (self._out.data_ptr(), np.uint32(0))
        kernel = self._kernels.get(len(tensors)) or self._compiled(len(tensors))
        kernel((BLOCKS,), (THREADS,), (*arguments, self._out.data_ptr()))

    def _compiled(self, tensors: int) -> Any:
        with self._device:
            self._kernels[tensors] = self._cupy.RawKernel(source(tensors), "read_all")
        return self._kernels[tensors]
