"""Loops over rows in host memory for which NumPy has no fast call.

Numba compiles each one on its first call and caches it on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

AHEAD = 16
"""Places that a gather fetches ahead. Measured on two cores: 8 to 64 take two thirds of the time without."""


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compile a function with Numba on its first call, without the interpreter's lock, and cache it if there is a folder for that."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        fast: Callable[..., None] = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # Numba found no folder to cache in, so each process compiles anew
        fast = numba.njit(**options)(function)
    return fast


@intrinsic  # type: ignore[untyped-decorator]
def _fetch(_typing: Any, rows: Any, place: Any) -> Any:
    """Ask the CPU for rows[place], which is needed soon. `rows` is one-dimensional."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        row = cgutils.get_item_pointer(context, builder, signature.args[0], array, [arguments[1]], wraparound=False)
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        prefetch = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0i8")
        to_read, into_all_caches, of_data = number(0), number(3), number(1)
        builder.call(prefetch, [builder.bitcast(row, pointer), to_read, into_all_caches, of_data])
        return context.get_dummy_value()

    return types.void(rows, place), generate


@compiled
def gather(rows: np.ndarray, order: np.ndarray, out: np.ndarray) -> None:
    """Set out[i] = rows[order[i]]. Positions in `order` must lie within `rows`: nothing checks them."""
    last = max(len(order) - AHEAD, 0)
    for place in range(last):
        _fetch(rows, order[place + AHEAD])
        out[place] = rows[order[place]]
    for place in range(last, len(order)):
        out[place] = rows[order[place]]


@compiled
def unpack_bags(codes: np.ndarray, lengths: np.ndarray, offsets: np.ndarray, values: np.ndarray) -> None:
    """Unpack bags of codes (id + 1) into contiguous ids and their offsets.

    codes: [B, max_length], of which the first lengths[i] of row i are used.
    offsets: int32 [B + 1], written.
    values: int32, written. It needs room for max_length values behind the last bag: each row is written in full, and
    the next row overwrites the surplus.
    """
    end = np.int64(0)
    offsets[0] = 0
    max_length = codes.shape[1]
    for row in range(len(codes)):
        for place in range(max_length):
            values[end + place] = np.int32(codes[row, place]) - 1
        end += lengths[row]
        offsets[row + 1] = end
