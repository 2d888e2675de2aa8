"""The reader of a batch reads all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from feedrate.bench.consumer.reading import THREADS, FusedReader, kernel_source, reader, sums, tensors_struct
from feedrate.loaders.base import Batch
from tests.samples.compiled_kernels import COMPILER, CompiledKernels

MAGIC = 0x9E3779B9
"""The kernel writes its result only if it equals this number."""


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler: g++ or clang++")
@pytest.mark.parametrize("spoilt", [None, 0, 1, 2])
def test_the_kernel_reads_every_word_of_every_tensor(spoilt: int | None, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # Thread 0 of 256 reads words 0, 256 and 512, and all other words are 0. So only thread 0 can find the magic number,
    # and only if it reads every one of these words.
    parts = [np.zeros(600, np.uint32), np.zeros(257, np.uint32), np.zeros(1, np.uint32)]
    words = rng.integers(1, 2**32, 5, dtype=np.uint32)
    parts[0][[0, 256, 512]], parts[1][[0, 256]] = words[:3], words[3:]
    parts[2][0] = np.bitwise_xor.reduce(words) ^ np.uint32(MAGIC)
    if spoilt is not None:
        parts[spoilt][0] ^= 1
    out = np.zeros(1, np.uint32)
    kernels = CompiledKernels(kernel_source(3), tmp_path, ("read_all",))
    struct = tensors_struct(3)
    struct.view(np.uint64)[:] = [*(part.ctypes.data for part in parts), *(len(part) for part in parts)]
    kernels.launch("read_all", THREADS, (struct[0], out.ctypes.data))
    assert (out[0] == MAGIC) == (spoilt is None)


def test_on_the_cpu_every_tensor_is_summed() -> None:
    assert reader("cpu") is sums


@pytest.mark.gpu
def test_a_gpu_reads_a_batch_in_one_launch() -> None:
    column = torch.arange(10, dtype=torch.int32, device="cuda")
    batch = Batch({"a": column}, {}, {"b": column.float()[::2]}, torch.ones(1, device="cuda").expand(10**6))
    read = reader("cuda")
    assert isinstance(read, FusedReader)
    read(batch)
    torch.cuda.synchronize()
