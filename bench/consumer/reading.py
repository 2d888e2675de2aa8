"""Really reading a batch on its device: a loader that has only enqueued its copies must not look fast.

On a GPU one kernel reads every tensor of the batch, so that reading is not what limits the loaders that it measures; without
CuPy, a sum for each tensor does.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any

import numpy as np
import torch

from feedrate.loaders.base import Batch

BLOCKS, THREADS = 264, 256
"""Two blocks for each of a Hopper's 132 multiprocessors."""

_SOURCE = r"""
typedef unsigned int u32;
typedef unsigned long long u64;
struct Tensors { u64 at[TENSORS], words[TENSORS]; };
extern "C" __global__ void read_all(Tensors tensors, u32* out) {
    u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x, found = 0;
    #pragma unroll
    for (int i = 0; i < TENSORS; ++i)
        for (u64 k = thread; k < tensors.words[i]; k += threads) found ^= ((const u32*)tensors.at[i])[k];
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
    """A kernel `read_all` of a struct Tensors, and a place to write to."""
    return _SOURCE.replace("TENSORS", str(tensors))


def tensors_struct(tensors: int) -> np.ndarray:
    """struct Tensors, one of them, as a structured array: where each tensor lies, and its number of 4-byte words."""
    return np.zeros(1, [("at", "u8", tensors), ("words", "u8", tensors)])


class FusedReader:
    """One launch a batch, straight through the driver: passing arguments in CuPy's own way would cost as much again.

    The consumer's stream is the one that is current when this is made.
    """

    def __init__(self, cupy: Any, device: str) -> None:
        self._cupy, self._device = cupy, torch.device(device)
        self._out = torch.zeros(1, dtype=torch.int32, device=device)
        self._stream: int = torch.cuda.current_stream(self._device).cuda_stream
        self._made: dict[int, Callable[..., None]] = {}

    def __call__(self, batch: Batch) -> None:
        tensors = batch.tensors()
        if not all(map(torch.Tensor.is_contiguous, tensors)):  # what they say to hold may be more than what lies there
            sums(batch)
            return
        launch = self._made.get(len(tensors)) or self._make(len(tensors))
        launch(*[tensor.data_ptr() for tensor in tensors], *[tensor.nbytes >> 2 for tensor in tensors])

    def _make(self, tensors: int) -> Callable[..., None]:
        """What launches the kernel on struct Tensors' numbers; the driver copies arguments as it launches."""
        with self._cupy.cuda.Device(self._device.index or 0):
            kernel = self._cupy.RawKernel(source(tensors), "read_all").kernel
        struct = tensors_struct(tensors)
        out = np.array([self._out.data_ptr()], np.uint64)
        arguments = np.array([struct.ctypes.data, out.ctypes.data], np.uint64)
        fill, buffer = Struct(f"{2 * tensors}Q").pack_into, struct.view(np.uint64).data
        launch_kernel, address, stream = self._cupy.cuda.driver.launchKernel, arguments.ctypes.data, self._stream

        def launch(*numbers: int, _kept: object = (kernel, out, arguments)) -> None:
            fill(buffer, 0, *numbers)
            launch_kernel(kernel.ptr, BLOCKS, 1, 1, THREADS, 1, 1, 0, stream, address, 0)

        self._made[tensors] = launch
        return launch
