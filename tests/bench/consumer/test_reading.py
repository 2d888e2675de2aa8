"""The reader of a batch reads all of it, and its sums tell which values it read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from feedrate.bench.consumer.host_reading import HostReader
from feedrate.bench.consumer.reading import (
    MANY_BATCHES,
    PARTS,
    THREADS,
    FusedReader,
    TensorReader,
    kernel_source,
    reader,
    tensors_struct,
    word_sums,
)
from feedrate.loaders.base import Batch
from tests.samples.compiled_kernels import COMPILER, CompiledKernels


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler: g++ or clang++")
@pytest.mark.parametrize("blocks", [1, 4 * PARTS])
def test_the_kernel_sums_every_word_of_every_tensor(tmp_path: Path, blocks: int) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.integers(-(2**31), 2**31, words, dtype=np.int32) for words in (600, 258, 1, 300_007)]
    parts[1] = parts[1][1:]  # no multiple of 16 bytes
    sums = np.array([5, 0, 0, 0], np.int64)
    kernels = CompiledKernels(kernel_source(4), tmp_path, ("read_all",))
    struct = tensors_struct(4)
    struct.view(np.uint64)[:] = [*(part.ctypes.data for part in parts), *(len(part) for part in parts)]
    kernels.launch("read_all", blocks * THREADS, (struct[0], sums.ctypes.data))
    assert sums.tolist() == [5 + int(parts[0].sum(dtype=np.int64)), *(int(p.sum(dtype=np.int64)) for p in parts[1:])]


def small_batch(device: str, ids: torch.dtype = torch.int32) -> Batch:
    label = torch.tensor([1.0, -0.0, 2.5], device=device)
    values = torch.arange(5, dtype=ids, device=device)
    offsets = torch.tensor([0, 2, 2, 5], dtype=ids, device=device)
    return Batch({"a": values[2:]}, {"b": (values, offsets)}, {"c": torch.ones(6, device=device)[::2]}, label)


@pytest.mark.parametrize(
    ("device", "batches", "kind"),
    [
        ("cpu", 3, TensorReader),
        ("cpu", MANY_BATCHES, HostReader),
        pytest.param("cuda", 3, FusedReader, marks=pytest.mark.gpu),
    ],
)
@pytest.mark.parametrize("ids", [torch.int32, torch.int64])
def test_a_reader_keeps_the_sums_of_each_batch_apart(
    device: str, batches: int, kind: type[object], ids: torch.dtype
) -> None:
    read = reader(device, 5, batches)
    assert isinstance(read, kind)
    for expected in (3, 2):  # the second epoch forgets the first one
        read.begin(expected)
        for _ in range(expected):
            read(small_batch(device, ids))
        sums = read.sums()
        assert sums.dtype == np.uint64
        assert sums.shape == (expected, 5)
        words = word_sums(small_batch("cpu"))
        assert (sums == sums[0]).all()
        assert sums[0].tolist() == [words[0], words[1], 9, words[2], words[3] % 2**64]


def test_a_column_of_negative_zeros_has_another_sum_than_one_of_zeros() -> None:
    zeros, negative = (Batch({}, {}, {}, torch.zeros(4) * sign) for sign in (1, -1))
    assert word_sums(zeros) != word_sums(negative)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_batches_beyond_the_expected_ones_are_read_too(device: str) -> None:
    read = reader(device, 5, MANY_BATCHES)
    read.begin(1)
    for _ in range(4):
        read(small_batch(device))
    sums = read.sums()
    assert len(sums) == 2
    assert (sums[1] == 3 * sums[0]).all()


@pytest.mark.parametrize("words", [0, 1, 7, 100_003])
def test_the_compiled_loop_sums_what_torch_sums(words: int) -> None:
    values = torch.randint(-(2**31), 2**31, (words,), dtype=torch.int32)
    batch = Batch({"a": values, "b": values.flip(0)[: words // 2]}, {}, {}, values.view(torch.float32))
    read = HostReader(3)
    read.begin(1)
    read(batch)
    assert read.sums().tolist() == [[word % 2**64 for word in word_sums(batch)]]


def test_a_tensor_without_values_is_refused_and_not_read() -> None:
    read = HostReader(1)
    read.begin(1)
    with pytest.raises(NotImplementedError, match="meta"):
        read(Batch({}, {}, {}, torch.zeros(3, device="meta")))


@pytest.mark.gpu
def test_a_gpu_sums_long_columns_right() -> None:
    values = torch.randint(-(2**31), 2**31, (10_000_019,), dtype=torch.int32, device="cuda")
    read = reader("cuda", 1, 1)
    read.begin(1)
    read(Batch({}, {}, {}, values.view(torch.float32)))
    assert int(read.sums()[0, 0]) == int(values.sum()) % 2**64
