"""Loops over rows in host memory for which NumPy has no fast call.

Numba compiles each one on its first call and caches it on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compile a function with Numba on its first call, without the interpreter's lock, and cache it if there is a folder for that."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        fast: Callable[..., None] = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # Numba found no folder to cache in, so each process compiles anew
        fast = numba.njit(**options)(function)
    return fast


@compiled
def gather(rows: np.ndarray, order: np.ndarray, out: np.ndarray) -> None:
    """Set out[i] = rows[order[i]]. Positions in `order` must lie within `rows`: nothing checks them."""
    for place in range(len(order)):
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
