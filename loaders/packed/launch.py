"""Compiles the batcher's CUDA kernels with CuPy and launches them straight through the driver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from feedrate.loaders.errors import LoaderUnavailable
from feedrate.loaders.packed import kernels


class CupyKernels:
    """Kernels that CuPy compiles, and caches in its folder. They are launched on torch's current stream.

    Launches go straight through the driver: passing arguments in CuPy's own way takes several times as long.
    """

    def __init__(self, source: str, device: str) -> None:
        """source: CUDA C.
        device: where to launch, as "cuda" or "cuda:N".
        Raises LoaderUnavailable if CuPy is not installed.
        """
        self._cupy = import_cupy()
        self._device = torch.device(device)
        self._module = self._cupy.RawModule(code=source, options=("-std=c++17",))
        self._functions: dict[str, Any] = {}

    def launch(self, name: str, threads: int, arguments: tuple[Any, ...]) -> None:
        """Launch a kernel in at least this many threads. Does nothing if threads is 0.

        arguments: device addresses as int, numbers and structs as NumPy scalars.
        """
        if not threads:
            return
        stream = torch.cuda.current_stream(self._device)
        packed, places = _packed(arguments)
        address = np.frombuffer(packed, np.uint8).ctypes.data
        pointers = np.array(places, np.uint64) + np.uint64(address)
        blocks = -(-threads // kernels.THREADS)
        with torch.cuda.device(stream.device_index):
            if name not in self._functions:
                self._functions[name] = self._module.get_function(name).kernel
            self._cupy.cuda.driver.launchKernel(
                self._functions[name].ptr, blocks, 1, 1, kernels.THREADS, 1, 1, 0,
                stream.cuda_stream, pointers.ctypes.data, 0,
            )  # fmt: skip


def _packed(arguments: Sequence[Any]) -> tuple[bytearray, list[int]]:
    """Return all arguments in one buffer, and the place where each begins, a multiple of 8.

    Addresses take 8 bytes. NumPy's numbers and structs keep their own bytes.
    """
    packed, places = bytearray(), []
    for argument in arguments:
        places.append(len(packed))
        content = argument.tobytes() if isinstance(argument, np.generic) else int(argument).to_bytes(8, "little")
        packed += content.ljust(-(-len(content) // 8) * 8, b"\0")
    return packed, places


def import_cupy() -> Any:
    """Import CuPy and return the module. Raises LoaderUnavailable if it is not installed."""
    try:
        import cupy
    except ImportError as error:
        raise LoaderUnavailable(
            "CuPy is not installed: run `pip install 'feedrate[cuda]'`, which installs it for CUDA 13"
        ) from error
    return cupy
