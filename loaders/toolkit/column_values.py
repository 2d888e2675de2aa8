"""One column of a batch as a plain tensor of the contract's shape and dtype. Every value is kept, or an error names the column.

The usual case, a tensor that fits, passes two comparisons.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from feedrate.loaders.error_text import one_line
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.form import INTEGERS, spoken

NARROW = (torch.int8, torch.int16, torch.uint8, torch.uint16)
"""Integers that int32 and float32 hold exactly."""
FLOATS = (torch.float16, torch.bfloat16, torch.bool, *NARROW)
"""Dtypes that float32 holds exactly."""
GREATEST_EXACT = 2**24
"""float32 holds every whole number up to this one."""


def refused(sentence: str) -> FeedrateError:
    """Return the error of a batch that does not fit, in at most 300 characters."""
    return FeedrateError(one_line(sentence))


def kind_of(value: object) -> str:
    """Return a value's type with an article."""
    name = "None" if value is None else type(value).__name__
    return name if value is None else f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def to_ids(name: str, value: Any, wanted: str = "[rows]") -> Tensor:
    """Return a column of ids as int32 or int64 [B]. [B, 1] becomes [B], and narrower integers int32."""
    tensor = _one_dimension(spoken(name), value, wanted)
    return tensor if tensor.dtype in INTEGERS else widened(name, tensor)


def widened(name: str, tensor: Tensor) -> Tensor:
    """Return integers of any width but uint64 as int32 or int64. An empty tensor may have any dtype."""
    if tensor.dtype in INTEGERS:
        return tensor
    if tensor.dtype in NARROW or not tensor.numel():
        return tensor.to(torch.int32)
    if tensor.dtype == torch.uint32:
        return tensor.to(torch.int64)
    raise refused(
        f"{spoken(name)} has the dtype {_dtype(tensor)}, but ids must be int32 or int64: convert it in convert="
    )


def to_floats(name: str, value: Any) -> Tensor:
    """Return a column of numbers as float32 [B]. [B, 1] becomes [B].

    name: as it is spoken. Raises FeedrateError for a finite number that would become infinite, and for a whole number that
    float32 does not hold.
    """
    tensor = _one_dimension(name, value, "[rows]")
    if tensor.dtype == torch.float32:
        return tensor
    if tensor.dtype in FLOATS:
        return tensor.to(torch.float32)
    if tensor.dtype == torch.float64:
        narrow = tensor.to(torch.float32)
        overflown = torch.isinf(narrow) & ~torch.isinf(tensor)
        if overflown.any():
            raise refused(
                f"{name} contains {tensor[overflown][0].item():g}, which float32 does not hold: cut such values in convert="
            )
        return narrow
    if tensor.dtype in (*INTEGERS, torch.uint32):
        least, greatest = (int(bound) for bound in tensor.to(torch.int64).aminmax()) if tensor.numel() else (0, 0)
        if not -GREATEST_EXACT <= least <= greatest <= GREATEST_EXACT:
            wide = greatest if greatest > GREATEST_EXACT else least
            raise refused(f"{name} contains {wide}, which float32 may not hold exactly: scale it in convert=")
        return tensor.to(torch.float32)
    raise refused(f"{name} has the dtype {_dtype(tensor)}, but must be float32: convert it in convert=")


def to_tensor(name: str, value: Any) -> Tensor:
    """Return a tensor, an array, a list of numbers or of tensors, or anything with DLPack as a plain tensor.

    name: as it is spoken. Copies only what torch cannot share.
    """
    if type(value) is Tensor:
        return value
    if isinstance(value, Tensor):
        return value.as_subclass(Tensor)  # the consumer takes plain tensors only
    if isinstance(value, list | tuple):
        value = _stacked(name, value)
        if isinstance(value, Tensor):
            return value
    if isinstance(value, np.generic | int | float):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise refused(f"{name} holds {_of_objects(value)}, but must hold numbers: convert it in convert=")
        return torch.from_numpy(value if value.flags.writeable and min(value.strides, default=0) >= 0 else value.copy())
    if hasattr(value, "__dlpack__"):
        return from_dlpack(value)
    raise refused(f"{name} is {kind_of(value)}, but must be a tensor, an array or a list of numbers")


def _one_dimension(name: str, value: Any, wanted: str) -> Tensor:
    """Return a tensor [B] of a value of shape [B] or [B, 1]. name: as it is spoken."""
    tensor = value if type(value) is Tensor else to_tensor(name, value)
    if tensor.dim() == 1:
        return tensor
    if tensor.is_nested or tensor.dim() != 2 or tensor.shape[1] != 1:
        shape = "a nested shape" if tensor.is_nested else f"shape {list(tensor.shape)}"
        hint = ". A batch holds rows, so iterate over batches" if tensor.dim() == 0 else ""
        raise refused(f"{name} has {shape}, but must have shape {wanted}{hint}")
    return tensor.squeeze(1)


def _stacked(name: str, values: list[Any] | tuple[Any, ...]) -> Any:
    try:
        if values and isinstance(values[0], Tensor):
            return torch.stack([value.as_subclass(Tensor) for value in values])
        return np.asarray(values)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise refused(f"{name} is {kind_of(values)} whose items differ in shape or type: {error}") from error


def _of_objects(array: np.ndarray) -> str:
    """Say what an array of no numbers holds: the first item that is no number, or the dtype."""
    if array.dtype.kind != "O":
        return f"values of dtype {array.dtype}"
    odd = [item for item in array.flat if not isinstance(item, int | float | np.number)]
    return f"{kind_of(odd[0])} ({odd[0]!r})" if odd else "integers of more than 64 bits"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
