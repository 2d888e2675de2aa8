"""Packs all columns of a row side by side, each in its narrowest exact type.

One random read of memory then brings the whole row.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from feedrate.loaders.base import Batch, Schema
from feedrate.loaders.parquet.columns import Columns

LINE_BYTES = 16
"""Rows are padded to a multiple of this: it is one load of a GPU thread, and a quarter of a CPU's cache line."""
SLICE_ROWS = 1 << 20
"""Rows packed at a time. It keeps the temporary tensors small."""
INLINE_BYTES = 16
"""A bag column is stored within the row if its longest bag fits into this many bytes."""

_TORCH = {"u1": torch.uint8, "u2": torch.int16, "i4": torch.int32, "i8": torch.int64, "f4": torch.float32}


@dataclass(frozen=True, slots=True)
class Flat:
    """A column with one value per row: an id, a continuous value or the label."""

    at: int
    """Byte offset in the row."""
    stored: np.dtype[Any]
    """Type in the packed row."""
    out: np.dtype[Any]
    """Type in a batch: int32 or float32."""


@dataclass(frozen=True, slots=True)
class Inline:
    """A bag column stored within the row, as codes: id + 1 for each value, then zeros."""

    name: str
    at: int
    """Byte offset in the row, a multiple of 8."""
    stored: np.dtype[Any]
    """Type of a code: uint8 or uint16."""
    words: int
    """Words of 8 bytes that the codes take."""
    length_at: int
    """Byte offset in the row of the number of values, a uint8."""


@dataclass(frozen=True, slots=True)
class Pointed:
    """A bag column whose values are stored outside the rows."""

    name: str
    at: int
    """Byte offset in the row of the bag's first position in the values, an int64."""
    length_at: int
    """Byte offset in the row of the number of values, an int32."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each column lies in a packed row."""

    flat: tuple[Flat, ...]
    """Ids, then continuous columns, then the label, each in the schema's order."""
    inline: tuple[Inline, ...]
    """Bag columns stored within the row."""
    pointed: tuple[Pointed, ...]
    """Bag columns stored outside the rows."""
    ids: tuple[str, ...]
    """Names of the id columns, which are the first of `flat`."""
    dense: tuple[str, ...]
    """Names of the continuous columns, which follow in `flat`. The label is the last one there and has no name."""
    bags: tuple[str, ...]
    """Names of all bag columns in the schema's order."""
    row_bytes: int
    """Bytes of a packed row, a multiple of LINE_BYTES."""

    @property
    def inline_names(self) -> frozenset[str]:
        """Names of the bag columns stored within the row. All other bag columns are pointed."""
        return frozenset(bag.name for bag in self.inline)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a packed row, with one field per column and one for the length of each bag. field_at() names them."""
        fields: dict[int, Any] = {flat.at: flat.stored for flat in self.flat}
        for inline in self.inline:
            fields[inline.at] = np.dtype(("<u8", (inline.words,)))
            fields[inline.length_at] = np.dtype("u1")
        for pointed in self.pointed:
            fields[pointed.at] = np.dtype("<i8")
            fields[pointed.length_at] = np.dtype("<i4")
        names, formats = [field_at(at) for at in fields], list(fields.values())
        spec = {"names": names, "formats": formats, "offsets": list(fields), "itemsize": self.row_bytes}
        return np.dtype(spec)  # type: ignore[call-overload,no-any-return]


def field_at(at: int) -> str:
    """Return the name of the field at this byte offset of a packed row. A column's own name could be another's, too."""
    return f"at {at}"


@dataclass(frozen=True, slots=True)
class Ordered:
    """Rows in the order of delivery, ready to be cut into batches."""

    flat: list[torch.Tensor]
    """Columns in the order of Layout.flat: [rows] each."""
    offsets: list[torch.Tensor]
    """Offsets of each bag column: int32 [rows + batches]. Each batch of B rows has B + 1 of them, which begin at 0."""
    values: list[torch.Tensor]
    """Values of each bag column: int32 [N]."""
    bounds: list[list[int]]
    """For each bag column, the positions in `values` where each batch begins, and the end of the last one."""

    def cut(self, layout: Layout, size: int, begin: int, end: int) -> Iterator[Batch]:
        """Iterate over batches begin..end (exclusive) of `size` rows. Only the last batch of all may be shorter.

        Batches are views of shared memory. A split makes many tensors in one call. An unsafe split also skips
        autograd's bookkeeping for views, which matters only to code that changes a batch in place.
        """
        if begin >= end:  # torch splits an empty tensor into one part
            return iter(())
        flat = [torch.unsafe_split(column[begin * size : end * size], size) for column in self.flat]
        bags: list[Iterable[tuple[torch.Tensor, torch.Tensor]]] = []
        for values, offsets, bounds in zip(self.values, self.offsets, self.bounds, strict=True):
            sizes = [after - before for before, after in itertools.pairwise(bounds[begin : end + 1])]
            parts = torch.unsafe_split_with_sizes(values[bounds[begin] : bounds[end]], sizes)
            batch_offsets = torch.unsafe_split(offsets[begin * (size + 1) : end * (size + 1)], size + 1)
            bags.append(zip(parts, batch_offsets, strict=True))
        ids = len(layout.ids)
        return map(
            Batch,
            _named(layout.ids, flat[:ids]),
            _named(layout.bags, bags),
            _named(layout.dense, flat[ids:-1]),
            flat[-1],
        )


def _named(names: Sequence[str], columns: Sequence[Iterable[Any]]) -> Iterator[dict[str, Any]]:
    """Yield one dict per batch, from column name to the batch's part of that column.

    Everything is a map because a small batch costs the host more time than the device.
    """
    rows: Iterable[tuple[Any, ...]] = zip(*columns, strict=True) if columns else itertools.repeat(())
    return map(dict, map(zip, itertools.repeat(names), rows))


def pointed_values(columns: Columns, layout: Layout) -> dict[str, torch.Tensor]:
    """Return the values of the pointed bag columns by name: int32 [N] each."""
    return {bag.name: columns.bags[bag.name][0] for bag in layout.pointed}


def write_rows(columns: Columns, layout: Layout, rows: torch.Tensor) -> None:
    """Pack the columns into `rows`: uint8 [rows, layout.row_bytes], on the columns' device."""
    for start in range(0, columns.rows, SLICE_ROWS):
        _write_slice(columns, layout, rows[start : start + SLICE_ROWS], start)


def _write_slice(columns: Columns, layout: Layout, rows: torch.Tensor, start: int) -> None:
    stop = start + len(rows)
    for column, tensor in zip(layout.flat, columns.flat, strict=True):
        _write(rows, column.at, column.stored, tensor[start:stop])
    for bag in layout.inline:
        values, offsets = columns.bags[bag.name]
        codes, lengths = _codes(values, offsets[start : stop + 1].long(), bag)
        rows[:, bag.at : bag.at + 8 * bag.words] = codes.view(torch.uint8)
        _write(rows, bag.length_at, np.dtype("u1"), lengths)
    for pointed in layout.pointed:
        offsets = columns.bags[pointed.name][1][start : stop + 1]
        _write(rows, pointed.at, np.dtype("<i8"), offsets[:-1])
        _write(rows, pointed.length_at, np.dtype("<i4"), offsets.diff())


def _write(rows: torch.Tensor, at: int, stored: np.dtype[Any], column: torch.Tensor) -> None:
    """Write one field of every row. torch has few operations for uint16, so an int16 of the same bits is written."""
    dtype = _TORCH[stored.str.lstrip("<|")]
    converted = column if column.dtype == dtype else column.to(torch.int32).to(dtype)
    rows.view(dtype)[:, at // stored.itemsize] = converted


def _codes(values: torch.Tensor, offsets: torch.Tensor, bag: Inline) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (codes [B, 8 * words / size], lengths [B]) of the bags between these offsets (int64 [B + 1])."""
    dtype = _TORCH[bag.stored.str.lstrip("<|")]
    lengths = offsets.diff()
    ids = values[int(offsets[0]) : int(offsets[-1])]
    row = torch.repeat_interleave(torch.arange(len(lengths), device=values.device), lengths)
    place = torch.arange(len(ids), device=values.device) - torch.repeat_interleave(offsets[:-1] - offsets[0], lengths)
    codes = torch.zeros(len(lengths), 8 * bag.words // bag.stored.itemsize, dtype=dtype, device=values.device)
    codes[row, place] = (ids.to(torch.int32) + 1).to(dtype)
    return codes, lengths


def choose_layout(columns: Columns) -> Layout:
    """Choose the narrowest exact type for every column. Bags that are short enough are stored within the row."""
    inline = {name: code for name, bag in columns.bags.items() if (code := _inline_type(*bag)) is not None}
    return _laid_out(
        list(columns.ids),
        list(columns.dense),
        list(columns.bags),
        [_narrowest(tensor) for tensor in columns.flat],
        inline,
    )


def layout_of(schema: Schema) -> Layout:
    """Return a layout for rows that are not all known yet: its types hold any value, and its bags any length."""
    ids = [column.name for column in schema.single_hot]
    stored = [np.dtype("<i4")] * len(ids) + [np.dtype("<f4")] * (len(schema.continuous) + 1)
    return _laid_out(ids, list(schema.continuous), [column.name for column in schema.multi_hot], stored, {})


def _laid_out(
    ids: list[str],
    dense: list[str],
    bags: list[str],
    stored: list[np.dtype[Any]],
    inline: Mapping[str, tuple[np.dtype[Any], int]],
) -> Layout:
    """Place the columns in a row, widest fields first, so that each lies at a multiple of its size.

    stored: types of the ids, the continuous columns and the label, in that order.
    inline: (type of a code, words of 8 bytes) of each bag column that is stored within the row.
    """
    pointed = [name for name in bags if name not in inline]
    sizes: dict[tuple[str, str | int], int] = {}
    for name, (_, words) in inline.items():
        sizes["bag", name], sizes["length", name] = 8 * words, 1
    for name in pointed:
        sizes["bag", name], sizes["length", name] = 8, 4
    for i, dtype in enumerate(stored):
        sizes["flat", i] = dtype.itemsize
    at, end = {}, 0
    for key in sorted(sizes, key=lambda key: -min(sizes[key], 8)):
        at[key], end = end, end + sizes[key]
    out = [np.dtype("i4")] * len(ids) + [np.dtype("f4")] * (len(dense) + 1)
    return Layout(
        flat=tuple(Flat(at["flat", i], stored[i], out[i]) for i in range(len(stored))),
        inline=tuple(
            Inline(name, at["bag", name], dtype, words, at["length", name]) for name, (dtype, words) in inline.items()
        ),
        pointed=tuple(Pointed(name, at["bag", name], at["length", name]) for name in pointed),
        ids=tuple(ids),
        dense=tuple(dense),
        bags=tuple(bags),
        row_bytes=-(-end // LINE_BYTES) * LINE_BYTES,
    )


def _narrowest(column: torch.Tensor) -> np.dtype[Any]:
    """Return the smallest type that holds every value to the bit, so that -0.0 and NaN are preserved."""
    unchanged = np.dtype("<f4" if column.is_floating_point() else "<i4")
    if not len(column):
        return np.dtype("u1")
    if column.is_floating_point() and not bool(((column == column.floor()) & (column.view(torch.int32) >= 0)).all()):
        return unchanged
    least, greatest = (float(bound) for bound in torch.aminmax(column))
    fits = (candidate for candidate in ("u1", "<u2") if least >= 0 and greatest <= np.iinfo(candidate).max)
    return np.dtype(next(fits, unchanged))


def _inline_type(values: torch.Tensor, offsets: torch.Tensor) -> tuple[np.dtype[Any], int] | None:
    """Return (type of a code, words of 8 bytes), or None if a bag is too long or an id is too large."""
    longest = int(offsets.diff().max()) if len(offsets) > 1 else 0
    least, greatest = (int(bound) for bound in torch.aminmax(values)) if len(values) else (0, 0)
    for candidate in ("u1", "<u2"):
        size = longest * np.dtype(candidate).itemsize
        if least >= 0 and greatest < np.iinfo(candidate).max and size <= INLINE_BYTES:
            return np.dtype(candidate), max(1, -(-size // 8))
    return None
