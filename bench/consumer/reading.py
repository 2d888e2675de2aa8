"""Reads every byte of a batch on its device, so that a loader that has only enqueued its copies does not look fast.

Reading yields a sum of each tensor's 4-byte words. The sums of an epoch tell whether it delivered the dataset's values.
On a GPU, one kernel reads every tensor of the batch, so that reading does not limit the loaders being measured. On the CPU
of an epoch of many batches, one compiled loop does. Otherwise, and on a GPU without CuPy, torch sums each tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, Protocol

import numpy as np
import torch

from feedrate.bench.consumer.addresses import addresses
from feedrate.loaders.base import Batch, Schema

THREADS = 256
"""Threads of a block."""
PARTS = 64
"""Blocks that read one tensor. Each reads 4 KB at a time, so a column of 65,536 words is read at once."""
MANY_BATCHES = 1000
"""Batches of an epoch from which on a compiled loop reads them on the CPU. Numba takes half a second and 126 MB of memory."""

_SOURCE = r"""
typedef unsigned long long u64;
struct Tensors { u64 at[TENSORS], words[TENSORS]; };
#ifdef __CUDACC__
__device__ __forceinline__ void add(u64* at, long long sum) {  // one atomic operation a block
    __shared__ long long warps[THREADS / 32];
    for (int lane = 16; lane; lane >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, lane);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int warp = 1; warp < THREADS / 32; ++warp) sum += warps[warp];
        atomicAdd(at, (u64)sum);
    }
    __syncthreads();
}
#else  // threads one after the other, in tests
inline void add(u64* at, long long sum) { atomicAdd(at, (u64)sum); }
#endif
// Each block sums one part of one tensor, so that all tensors of a batch are read at the same time.
extern "C" __global__ void read_all(Tensors tensors, u64* sums) {
    for (int unit = blockIdx.x; unit < TENSORS * PARTS; unit += gridDim.x) {
        int i = unit % TENSORS, part = unit / TENSORS;
        u64 words = tensors.words[i], first = part * THREADS;
        const int* at = (const int*)tensors.at[i];
        u64 fours = tensors.at[i] % 16 ? 0 : words / 4;  // words that lie at multiples of 16 bytes are read four by four
        if (first >= fours && first + fours * 4 >= words) continue;  // true for all threads of a block, or for none
        long long sum = 0;
        for (u64 k = first + threadIdx.x; k < fours; k += THREADS * PARTS) {
            int4 four = ((const int4*)at)[k];
            sum += (long long)four.x + four.y + four.z + four.w;
        }
        for (u64 k = fours * 4 + first + threadIdx.x; k < words; k += THREADS * PARTS) sum += at[k];
        add(&sums[i], sum);
    }
}
"""


class BatchReader(Protocol):
    """Reads batches and keeps the sums of their words."""

    def begin(self, batches: int) -> None:
        """Forget the sums and expect so many batches. More can come, but their sums are not kept apart."""
        ...

    def __call__(self, batch: Batch) -> None:
        """Read a whole batch on the current stream."""
        ...

    def sums(self) -> np.ndarray:
        """Return the sums modulo 2^64 since begin(): uint64 [batches, tensors], in the order of Batch.tensors().

        Waits for the device.
        """
        ...


def reader(device: str, tensors: int, batches: int) -> BatchReader:
    """Return a reader of batches that have this many tensors, each with elements of 4 or 8 bytes.

    batches: of an epoch, about. It decides how they are read on the CPU, so that all loaders of a run are read alike.
    """
    if device != "cpu":
        try:
            import cupy  # pyright: ignore[reportMissingImports]
        except ImportError:
            return TensorReader(tensors)
        return FusedReader(cupy, device, tensors)
    if batches < MANY_BATCHES:
        return TensorReader(tensors)
    from feedrate.bench.consumer.host_reading import HostReader

    return HostReader(tensors)


def word_sum(tensor: torch.Tensor) -> torch.Tensor:
    """Return the sum of a tensor's 4-byte words as signed integers, int64 [].

    Words of int64 elements below 2^31 sum up to the sum of the elements, which is taken for them.
    """
    return (tensor.view(torch.int32) if tensor.is_floating_point() else tensor).sum()


def word_sums(batch: Batch) -> list[int]:
    """Return the word sum of each column of a batch on the CPU, in the order of Schema.columns. A bag has that of its values."""
    bags = (values for values, _offsets in batch.bags.values())
    return [int(word_sum(column)) for column in (*batch.ids.values(), *bags, *batch.dense.values(), batch.label)]


def hold_values(schema: Schema) -> list[bool]:
    """Return for each tensor of a batch, in the order of Batch.tensors(), whether it holds a column's values.

    The others are offsets, whose sums depend on the order of the rows.
    """
    bags = [True, False] * len(schema.multi_hot)
    return [True] * len(schema.single_hot) + bags + [True] * (len(schema.continuous) + 1)


class TensorReader:
    """Sums tensor by tensor with torch."""

    def __init__(self, tensors: int) -> None:
        """tensors: of a batch. Of batches with more or fewer, the first ones have sums."""
        self._tensors = tensors
        self._sums: list[list[torch.Tensor]] = []
        self._numbers: list[list[int]] = []

    def begin(self, batches: int) -> None:  # noqa: ARG002  (lists grow by themselves)
        """Forget the sums."""
        self._sums, self._numbers = [], []

    def __call__(self, batch: Batch) -> None:
        """Sum every tensor of the batch."""
        sums = [word_sum(tensor) for tensor in batch.tensors()[: self._tensors]]
        sums += [torch.zeros_like(sums[0])] * (self._tensors - len(sums))
        if batch.label.is_cuda:  # a number would wait for the device
            self._sums.append(sums)
        else:
            self._numbers.append([int(total) for total in sums])

    def sums(self) -> np.ndarray:
        """Return the sums of each batch and tensor, uint64 [batches, tensors]."""
        numbers = self._numbers
        if self._sums:
            numbers = torch.stack([torch.stack(sums) for sums in self._sums]).tolist()
        return np.array(numbers, np.int64).reshape(len(numbers), -1).view(np.uint64)


def kernel_source(tensors: int) -> str:
    """Return the source of the kernel `read_all`, whose arguments are a struct Tensors and a pointer to the sums."""
    constants = {"TENSORS": tensors, "THREADS": THREADS, "PARTS": PARTS}
    return "".join(f"#define {name} {value}\n" for name, value in constants.items()) + _SOURCE


def tensors_struct(tensors: int) -> np.ndarray:
    """Return one struct Tensors as a structured array: the address of each tensor and its number of 4-byte words."""
    return np.zeros(1, [("at", "u8", tensors), ("words", "u8", tensors)])


class FusedReader:
    """Reads a batch with one launch, straight through the driver.

    Passing the arguments through CuPy would double the cost. Kernels run on the stream that is current when this object
    is created: that must be the consumer's stream.
    """

    def __init__(self, cupy: Any, device: str, tensors: int) -> None:
        self._device, self._tensors = torch.device(device), tensors
        self._stream: int = torch.cuda.current_stream(self._device).cuda_stream
        self._sums = torch.zeros(1, tensors, dtype=torch.int64, device=device)
        self._place = 0
        self._address = np.zeros(1, np.uint64)
        self._index = self._device.index or 0
        with cupy.cuda.Device(self._index):
            self._kernel = cupy.RawKernel(kernel_source(tensors), "read_all").kernel
        self._launch = self._build_launcher(cupy.cuda.driver.launchKernel)

    def begin(self, batches: int) -> None:
        """Make room for the sums of this many batches, and one more for all that come later. Waits for the device."""
        self._place = 0
        if len(self._sums) != batches + 1:
            self._sums = torch.zeros(batches + 1, self._tensors, dtype=torch.int64, device=self._device)
        else:
            self._sums.zero_()
        self._address[0] = self._sums.data_ptr()
        torch.cuda.synchronize(self._device)

    def __call__(self, batch: Batch) -> None:
        """Enqueue a read of the whole batch. A tensor that is not contiguous is copied first."""
        tensors = batch.tensors()
        if len(tensors) != self._tensors:  # whoever looks at the batch's form will say so
            return
        tensors, numbers = addresses(tensors)
        if torch.cuda.current_device() == self._index:
            self._launch(*numbers)
        else:  # a loader may have made another device the current one, whose context does not know the kernel
            with torch.cuda.device(self._index):
                self._launch(*numbers)
        self._place += 1
        if self._place < len(self._sums):
            self._address[0] += self._tensors * 8

    def sums(self) -> np.ndarray:
        """Return the sums of each batch and tensor, uint64 [batches, tensors]."""
        return self._sums[: min(self._place, len(self._sums))].cpu().numpy().view(np.uint64)

    def _build_launcher(self, launch_kernel: Callable[..., None]) -> Callable[..., None]:
        """Build a function that launches the kernel on the numbers of struct Tensors. The launch copies them."""
        struct = tensors_struct(self._tensors)
        arguments = np.array([struct.ctypes.data, self._address.ctypes.data], np.uint64)
        fill, buffer = Struct(f"{2 * self._tensors}Q").pack_into, struct.view(np.uint64).data
        kernel, address, stream = self._kernel, arguments.ctypes.data, self._stream
        blocks = self._tensors * PARTS

        def launch(*numbers: int, _keep_alive: object = arguments) -> None:
            fill(buffer, 0, *numbers)
            launch_kernel(kernel.ptr, blocks, 1, 1, THREADS, 1, 1, 0, stream, address, 0)

        return launch
