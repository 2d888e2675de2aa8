"""Runs the CUDA kernels on the CPU: a C++ compiler compiles the same source, and threads run one after the other."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

COMPILER = shutil.which("g++") or shutil.which("clang++")
SHIM = r"""
#include <cmath>
#include <cstddef>
#include <cstdint>
#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__
struct uint4 { unsigned x, y, z, w; };
struct int4 { int x, y, z, w; };
struct Place { unsigned x; };
static thread_local Place blockIdx, blockDim, threadIdx, gridDim;
struct float2 { float x, y; };
template <class T> static inline T atomicAdd(T* at, T more) { T old = *at; *at += more; return old; }
static inline unsigned long long atomicAdd(unsigned long long* at, unsigned long long more) { unsigned long long old = *at; *at += more; return old; }
static inline int atomicExch(int* at, int own) { int old = *at; *at = own; return old; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((std::uint64_t)a * b) >> 32); }
"""
RUN = r"""
extern "C" void run_NAME(unsigned threads PARAMETERS) {
    blockDim.x = 256; gridDim.x = (threads + 255) / 256;
    for (unsigned t = 0; t < (threads + 255) / 256 * 256; ++t) {
        blockIdx.x = t / 256; threadIdx.x = t % 256;
        NAME(ARGUMENTS);
    }
}
"""


class CompiledKernels:
    """Compiled CUDA kernels for tests, with the interface of resident.Kernels."""

    def __init__(self, source: str, folder: Path, names: tuple[str, ...] = ("lengths", "rows", "pointed")) -> None:
        assert COMPILER is not None
        name = hashlib.sha256(source.encode()).hexdigest()[:16]
        code, library = folder / f"{name}.cpp", folder / f"{name}.so"
        code.write_text("\n".join([SHIM, source, *(_runner(source, kernel) for kernel in names)]))
        if not library.exists():
            command = [COMPILER, "-O1", "-std=c++17", "-shared", "-fPIC", "-w", str(code), "-o", str(library)]
            subprocess.run(command, check=True, capture_output=True, text=True)
        self._library = ctypes.CDLL(str(library))

    def launch(self, name: str, threads: int, arguments: tuple[Any, ...]) -> None:
        getattr(self._library, f"run_{name}")(ctypes.c_uint(threads), *(_as_c(argument) for argument in arguments))


def _as_c(argument: Any) -> Any:
    if isinstance(argument, np.uint32):
        return ctypes.c_uint(int(argument))
    if isinstance(argument, np.void):  # a struct, which is passed by value

        class Struct(ctypes.Structure):
            _fields_ = [("words", ctypes.c_uint64 * (argument.nbytes // 8))]

        return Struct.from_buffer_copy(argument.tobytes())
    return ctypes.c_void_p(argument)


def _runner(source: str, kernel: str) -> str:
    """Return a C function with the kernel's parameters that calls the kernel for each thread in turn."""
    begin = source.index(f"void {kernel}(") + len(f"void {kernel}(")
    parameters = source[begin : source.index(")", begin)]
    names = [part.split()[-1].lstrip("*") for part in parameters.split(",")]
    text = RUN.replace("PARAMETERS", ", " + parameters).replace("ARGUMENTS", ", ".join(names))
    return text.replace("NAME", kernel)
