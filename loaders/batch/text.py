"""What a batch says about itself: its columns with dtypes and shapes, and why a name is not one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from feedrate.loaders.error_text import one_line

if TYPE_CHECKING:
    from feedrate.loaders.batch.batch import Batch

LABEL = "label"
"""The name of the label where a batch is read by name, whatever its column is called."""


def described(batch: Batch) -> str:
    """Describe a batch in one line, even if a loader has filled it with other things than tensors."""
    device = getattr(batch.label, "device", None)
    fields = {"ids": batch.ids, "bags": batch.bags, "dense": batch.dense, "label": batch.label}
    parts = (f"{name}={_described(value, device)}" for name, value in fields.items())
    return f"{type(batch).__name__}({', '.join(parts)}, device={device})"


def places_sentence(name: object, places: Sequence[str], columns: Sequence[str]) -> str:
    """Say why `name` is not the name of one column.

    places: the expressions that read the columns of that name. columns: the names of all columns but the label.
    """
    if places:
        return one_line(f"{name!r} could be {' or '.join(places)}: write the one that you mean")
    known = "".join(f"{column!r}, " for column in columns)
    return one_line(f"no column is called {name!r}: choose from {known}and {LABEL!r} for the label")


def _described(value: object, device: object) -> str:
    """Describe what a field holds. device: where the label is; the device of a tensor elsewhere is named."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name!r}: {_described(column, device)}" for name, column in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "(" + ", ".join(_described(part, device) for part in value) + ")"
    dtype, shape, place = (getattr(value, name, None) for name in ("dtype", "shape", "device"))
    if dtype is None or shape is None:
        return type(value).__name__
    return f"{str(dtype).removeprefix('torch.')} {list(shape)}" + ("" if place == device else f" on {place}")
