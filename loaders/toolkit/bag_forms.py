"""A bag column in the forms that libraries deliver, as (values, offsets): ragged, padded, nested, or already a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from types import EllipsisType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from feedrate.loaders.form import spoken
from feedrate.loaders.toolkit.column_values import kind_of, refused, to_ids, to_tensor, widened

Bag = tuple[Tensor, Tensor]
"""(values [N], offsets [B + 1]), both int32 or both int64."""
_FORMS = "(values, offsets), a padded tensor, a nested tensor or a list for each row"
_ARRAYS = (Tensor, np.ndarray)


class BagReader:
    """Reads one bag column. What a list of two arrays means, and whether offsets are right, is decided once."""

    def __init__(self, name: str, pad: int | EllipsisType | None) -> None:
        """pad: the id that fills padded bags. None: no id is padding. `...`: not given."""
        self._name, self._pad = name, pad
        self._lists_are_pairs: bool | None = None
        self._checked = False

    def read(self, value: Any, rows: int, *, length: Any = None, mask: Any = None) -> Bag:
        """Return the bag of `rows` rows.

        length: the number of real ids of each row of a padded bag, which come first. mask: which of its ids are real.
        """
        if isinstance(value, tuple | list):
            return self._of_sequence(value, rows)
        if isinstance(value, Mapping) or (hasattr(value, "keys") and hasattr(type(value), "__getitem__")):
            return self._of_mapping(value, rows)
        if isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1:
            return self._of_rows(list(value), rows)
        if isinstance(value, Tensor) and value.is_nested:
            return self._of_nested(value, rows)
        tensor = to_tensor(spoken(self._name), value)
        if tensor.dim() != 2 or tensor.shape[0] != rows:
            raise refused(f"{spoken(self._name)} has shape {list(tensor.shape)}, but {rows:,} bags must be {_FORMS}")
        return self._of_padded(tensor, length, mask)

    def pair(self, values: Any, offsets: Any, rows: int) -> Bag:
        """Return values and offsets as a bag. Offsets may lack the end, and both may have shape [.., 1]."""
        flat = to_ids(self._name, values, "[values]")
        bounds = to_ids(f"{self._name} (offsets)", offsets, "[rows + 1]")
        if bounds.shape[0] == rows:
            bounds = torch.cat([bounds, bounds.new_full((1,), flat.shape[0])])
        elif bounds.shape[0] != rows + 1:
            raise refused(
                f"{spoken(self._name)} has {bounds.shape[0]:,} offsets, but {rows:,} rows must have {rows + 1:,}, or "
                f"{rows:,} without the end"
            )
        if not self._checked:
            self._require_offsets(bounds, flat.shape[0])
            self._checked = True
        return _alike(flat, bounds)

    def _of_sequence(self, value: Sequence[Any], rows: int) -> Bag:
        """Tell (values, offsets) from a list of rows: pinning and collating turn tuples into lists."""
        if len(value) == 2 and self._is_pair(value, rows):
            return self.pair(value[0], value[1], rows)
        return self._of_rows(value, rows)

    def _is_pair(self, value: Sequence[Any], rows: int) -> bool:
        if rows != 2:
            self._lists_are_pairs = True
            return True
        if self._lists_are_pairs is not None:
            return self._lists_are_pairs
        arrays = isinstance(value[0], _ARRAYS) and isinstance(value[1], _ARRAYS)
        if arrays and isinstance(value, list):
            raise refused(
                f"{spoken(self._name)} is a list of two arrays, which could be two bags or values and offsets: deliver a "
                'tuple, or {"values": ..., "offsets": ...}'
            )
        return arrays

    def _of_mapping(self, value: Any, rows: int) -> Bag:
        names = set(value.keys())
        if names != {"values", "offsets"}:
            listed = ", ".join(sorted(map(spoken, names)))
            raise refused(f"{spoken(self._name)} is a mapping of {listed}, but must be one of values and offsets")
        return self.pair(value["values"], value["offsets"], rows)

    def _of_rows(self, bags: Sequence[Any], rows: int) -> Bag:
        if len(bags) != rows:
            raise refused(f"{spoken(self._name)} has {len(bags):,} bags, but {rows:,} rows")
        self._lists_are_pairs = False
        try:
            lengths = [len(bag) for bag in bags]
        except TypeError as error:
            odd = next(bag for bag in bags if not hasattr(bag, "__len__") or getattr(bag, "ndim", 1) == 0)
            raise refused(f"{spoken(self._name)} has {kind_of(odd)} as a bag, but must be {_FORMS}") from error
        values = to_ids(self._name, self._joined([bag for bag in bags if len(bag)]), "[values]")
        bounds = torch.from_numpy(np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]))
        return _alike(values, bounds.to(values.device))

    def _joined(self, full: list[Any]) -> Any:
        """Concatenate bags of which none is empty: an empty list has become float32 in many libraries."""
        try:
            if not full:
                return torch.zeros(0, dtype=torch.int32)
            if isinstance(full[0], Tensor):
                return torch.cat(full)
            return np.concatenate(full) if isinstance(full[0], np.ndarray) else list(chain.from_iterable(full))
        except (RuntimeError, TypeError, ValueError) as error:
            raise refused(f"the bags of {spoken(self._name)} differ in shape or type: {error}") from error

    def _of_nested(self, value: Tensor, rows: int) -> Bag:
        if value.layout == torch.jagged and value.dim() == 2 and value.lengths() is None:  # type: ignore[attr-defined]
            return self.pair(value.values(), value.offsets(), rows)  # type: ignore[attr-defined]
        return self._of_rows([bag.as_subclass(Tensor) for bag in value.unbind()], rows)

    def _of_padded(self, padded: Tensor, length: Any, mask: Any) -> Bag:
        name = spoken(self._name)
        if mask is not None:
            real = to_tensor(f"{name}__mask", mask)
            if real.shape != padded.shape:
                raise refused(f"{name}__mask has shape {list(real.shape)}, but {name} has {list(padded.shape)}")
            real = real.to(padded.device) != 0
        elif length is not None:
            lengths = to_ids(f"{self._name}__length", length).to(padded.device)
            self._require_lengths(lengths, padded)
            real = torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]
        elif isinstance(self._pad, EllipsisType):
            raise refused(
                f"{name} is padded, with shape {list(padded.shape)}, and nothing says which ids are padding: pass pad_id=, or "
                f"pad_id=None if none is, or deliver a column {spoken(f'{self._name}__length')}"
            )
        else:
            real = torch.ones_like(padded, dtype=torch.bool) if self._pad is None else padded != self._pad
        values = widened(self._name, torch.masked_select(padded, real))
        bounds = torch.zeros(padded.shape[0] + 1, dtype=torch.int64, device=padded.device)
        torch.cumsum(real.sum(1), 0, out=bounds[1:])
        return _alike(values, bounds)

    def _require_lengths(self, lengths: Tensor, padded: Tensor) -> None:
        if lengths.shape[0] != padded.shape[0]:
            raise refused(
                f"{spoken(f'{self._name}__length')} has {lengths.shape[0]:,} rows, but {spoken(self._name)} has "
                f"{padded.shape[0]:,}"
            )
        if len(lengths) and not 0 <= int(lengths.min()) <= int(lengths.max()) <= padded.shape[1]:
            odd = int(lengths.min()) if int(lengths.min()) < 0 else int(lengths.max())
            raise refused(
                f"{spoken(f'{self._name}__length')} contains {odd}, but {spoken(self._name)} has {padded.shape[1]} ids a row"
            )

    def _require_offsets(self, bounds: Tensor, values: int) -> None:
        first, last = int(bounds[0]), int(bounds[-1])
        if first or last != values or bool((bounds[1:] < bounds[:-1]).any()):
            raise refused(
                f"the offsets of {spoken(self._name)} go from {first} to {last}, but must rise from 0 to the {values:,} values: "
                "lengths of bags are no offsets"
            )


def _alike(values: Tensor, bounds: Tensor) -> Bag:
    """Give both parts one dtype: that of the values, or int64 if int32 does not hold the offsets."""
    if values.dtype == bounds.dtype:
        return values, bounds
    if values.dtype == torch.int32 and values.shape[0] >= 2**31:
        return values.to(torch.int64), bounds
    return values, bounds.to(values.dtype)
