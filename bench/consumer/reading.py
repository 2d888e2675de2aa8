"""Reads every byte of a batch on its device, so that a loader that has only enqueued its copies does not look fast.

On a GPU, one kernel reads every tensor of the batch, so that reading does not limit the loaders being measured.
Without CuPy, each tensor is summed instead.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any

import numpy as np
import torch

from feedrate.loaders.base import Batch

BLOCKS, THREADS = 264, 256
"""Launch size of the kernel: two blocks for each of the 132 multiprocessors of a Hopper GPU."""

_SOURCE = r"""
typedef unsigned int u32;
typedef unsigned long long u64;
struct Tensors { u64 at[TENSORS], words[TENSORS]; };
extern "C" __global__ void read_all(Tensors tensors, u32* out) {
    u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x, bits = 0;
    #pragma unroll
    for (int i = 0; i < TENSORS; ++i)
        for (u64 k = thread; k < tensors.words[i]; k += threads) bits ^= ((const u32*)tensors.at[i])[k];
    if (bits == 0x9e3779b9u) *out = bits;  // a possible write keeps the compiler from removing the reads
}
"""


def reader(device: str) -> Callable[[Batch], None]:
    """Return a function that reads every byte of a batch on the current stream.

    Elements must have 4 or 8 bytes, as those of every Batch do.
    """
    if device != "cpu":
        try:
            import cupy  # pyright: ignore[reportMissingImports]
        except ImportError:
            return sums
        return FusedReader(cupy, device)
    return sums


def sums(batch: Batch) -> None:
    """Read every tensor of the batch by summing it."""
    for tensor in batch.tensors():
        tensor.sum()


def kernel_source(tensors: int) -> str:
    """Return the source of the kernel `read_all`, whose arguments are a struct Tensors and a pointer to write to."""
    return _SOURCE.replace("TENSORS", str(tensors))


def tensors_struct(tensors: int) -> np.ndarray:
    """Return one struct Tensors as a structured array: the address of each tensor and its number of 4-byte words."""
    return np.zeros(1, [("at", "u8", tensors), ("words", "u8", tensors)])


class FusedReader:
    """Reads a batch with one launch, straight through the driver.

    Passing the arguments through CuPy would double the cost. Kernels run on the stream that is current when this object
    is created: that must be the consumer's stream.
    """

    def __init__(self, cupy: Any, device: str) -> None:
        self._cupy, self._device = cupy, torch.device(device)
        self._out = torch.zeros(1, dtype=torch.int32, device=device)
        self._stream: int = torch.cuda.current_stream(self._device).cuda_stream
        self._launchers: dict[int, Callable[..., None]] = {}

    def __call__(self, batch: Batch) -> None:
        """Enqueue a read of the whole batch. Batches with a tensor that is not contiguous are summed instead."""
        tensors = batch.tensors()
        if not all(map(torch.Tensor.is_contiguous, tensors)):  # nbytes can exceed the memory behind the tensor
            sums(batch)
            return
        launch = self._launchers.get(len(tensors)) or self._build_launcher(len(tensors))
        launch(*[tensor.data_ptr() for tensor in tensors], *[tensor.nbytes >> 2 for tensor in tensors])

    def _build_launcher(self, tensors: int) -> Callable[..., None]:
        """Build a function that launches the kernel on the numbers of struct Tensors. The launch copies them."""
        with self._cupy.cuda.Device(self._device.index or 0):
            kernel = self._cupy.RawKernel(kernel_source(tensors), "read_all").kernel
        struct = tensors_struct(tensors)
        out = np.array([self._out.data_ptr()], np.uint64)
        arguments = np.array([struct.ctypes.data, out.ctypes.data], np.uint64)
        fill, buffer = Struct(f"{2 * tensors}Q").pack_into, struct.view(np.uint64).data
        launch_kernel, address, stream = self._cupy.cuda.driver.launchKernel, arguments.ctypes.data, self._stream

        def launch(*numbers: int, _keep_alive: object = (kernel, out, arguments)) -> None:
            fill(buffer, 0, *numbers)
            launch_kernel(kernel.ptr, BLOCKS, 1, 1, THREADS, 1, 1, 0, stream, address, 0)

        self._launchers[tensors] = launch
        return launch
