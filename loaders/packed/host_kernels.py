"""Loops over rows in host memory that NumPy has no fast call for, compiled by Numba: when first called, and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        found: Callable[..., None] = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # there is no folder that it could be kept in: then each process compiles anew
        found = numba.njit(**options)(function)
    return found


@_compiled
def gather(rows: np.ndarray, order: np.ndarray, out: np.ndarray) -> None:
    """out[i] = rows[order[i]]; order: positions within the rows, which nobody checks."""
    for place in range(len(order)):
        out[place] = rows[order[place]]


@_compiled
def unpack_bags(codes: np.ndarray, lengths: np.ndarray, offsets: np.ndarray, values: np.ndarray) -> None:
    """Bags as codes (id + 1) [B, most], of which the first lengths [B] count, one after the other.

    offsets: int32 [B + 1]. values: int32, with room for `most` behind the last bag, for each row is written whole, and the
    next one over what was too much.
    """
    at = np.int64(0)
    offsets[0] = 0
    most = codes.shape[1]
    for row in range(len(codes)):
        for place in range(most):
            values[at + place] = np.int32(codes[row, place]) - 1
        at += lengths[row]
        offsets[row + 1] = at
