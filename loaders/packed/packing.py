"""All columns of a row side by side in their narrowest exact types, so that one random read of memory brings the whole row."""

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
"""Rows are padded to a multiple of it: what a GPU's thread loads at once, and a quarter of a CPU's cache line."""
SLICE_ROWS = 1 << 20
"""Rows that are written at once: what is in between stays small."""
INLINE_BYTES = 16
"""A bag column whose longest bag fits into so many bytes lies within the row."""


_TORCH = {"u1": torch.uint8, "u2": torch.int16, "i4": torch.int32, "i8": torch.int64, "f4": torch.float32}


@dataclass(frozen=True, slots=True)
class Flat:
    """An id, a continuous value or the label."""

    name: str
    at: int
    """Byte in the row."""
    stored: np.dtype[Any]
    out: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class Inline:
    """A bag within the row: id + 1 for each value, then zeros."""

    name: str
    at: int
    """Byte in the row; a multiple of 8."""
    stored: np.dtype[Any]
    """Of a code: uint8 or uint16."""
    words: int
    """Of 8 bytes."""
    length_at: int
    """Byte in the row of the number of values: uint8."""


@dataclass(frozen=True, slots=True)
class Pointed:
    """A bag whose values lie elsewhere."""

    name: str
    at: int
    """Byte in the row of its place in the values: int64."""
    length_at: int
    """Byte in the row of the number of values: int32."""


@dataclass(frozen=True, slots=True)
class Layout:
    flat: tuple[Flat, ...]
    """Ids, then continuous columns, then the label, as in the schema."""
    inline: tuple[Inline, ...]
    pointed: tuple[Pointed, ...]
    ids: int
    """How many of `flat` are ids."""
    bags: tuple[str, ...]
    """Names in the schema's order."""
    row_bytes: int

    @property
    def inline_names(self) -> frozenset[str]:
        """The other bags are pointed."""
        return frozenset(bag.name for bag in self.inline)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a packed row, fields by name; a bag's length has the name "#" + the bag's."""
        fields: dict[str, tuple[Any, int]] = {}
        for flat in self.flat:
            fields[flat.name] = flat.stored, flat.at
        for inline in self.inline:
            fields[inline.name] = np.dtype(("<u8", (inline.words,))), inline.at
            fields["#" + inline.name] = np.dtype("u1"), inline.length_at
        for pointed in self.pointed:
            fields[pointed.name] = np.dtype("<i8"), pointed.at
            fields["#" + pointed.name] = np.dtype("<i4"), pointed.length_at
        formats, offsets = zip(*fields.values(), strict=True)
        spec = {"names": list(fields), "formats": formats, "offsets": offsets, "itemsize": self.row_bytes}
        return np.dtype(spec)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True, slots=True)
class Ordered:
    """Rows in their order, to be cut into batches."""

    flat: list[torch.Tensor]
    """As in Layout.flat, [rows]."""
    offsets: list[torch.Tensor]
    """Of each bag column: int32 [rows + batches], B + 1 a batch, each batch's from 0."""
    values: list[torch.Tensor]
    """Of each bag column: int32 [N]."""
    bounds: list[list[int]]
    """Of each bag column: where each batch's values begin, and the end."""

    def cut(self, layout: Layout, size: int, begin: int, end: int) -> Iterator[Batch]:
        """Batches begin..end, all of `size` rows but for the last of all. They share memory: a split makes many tensors in one
        call, and an unsafe one spares autograd's notes on views, which matter only to who changes a batch in place."""
        if begin >= end:  # torch splits nothing into one part
            return iter(())
        flat = [torch.unsafe_split(column[begin * size : end * size], size) for column in self.flat]
        bags: list[Iterable[tuple[torch.Tensor, torch.Tensor]]] = []
        for values, offsets, bounds in zip(self.values, self.offsets, self.bounds, strict=True):
            sizes = [after - before for before, after in itertools.pairwise(bounds[begin : end + 1])]
            parts = torch.unsafe_split_with_sizes(values[bounds[begin] : bounds[end]], sizes)
            own = torch.unsafe_split(offsets[begin * (size + 1) : end * (size + 1)], size + 1)
            bags.append(zip(parts, own, strict=True))
        names, ids = [column.name for column in layout.flat], layout.ids
        return map(
            Batch,
            _named(names[:ids], flat[:ids]),
            _named(layout.bags, bags),
            _named(names[ids:-1], flat[ids:-1]),
            flat[-1],
        )


def _named(names: Sequence[str], columns: Sequence[Iterable[Any]]) -> Iterator[dict[str, Any]]:
    """For each batch its part of each column by name. It is all maps because a small batch costs the host more than the device."""
    rows: Iterable[tuple[Any, ...]] = zip(*columns, strict=True) if columns else itertools.repeat(())
    return map(dict, map(zip, itertools.repeat(names), rows))


def pointed_values(columns: Columns, layout: Layout) -> dict[str, torch.Tensor]:
    return {bag.name: columns.bags[bag.name][0] for bag in layout.pointed}


def write_rows(columns: Columns, layout: Layout, rows: torch.Tensor) -> None:
    """Write the columns into `rows`: uint8 [rows, layout.row_bytes], on the columns' device."""
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
    """One field of every row; torch has no uint16, and an int16 of the same bits does as well."""
    kind = _TORCH[stored.str.lstrip("<|")]
    whole = column if column.dtype == kind else column.to(torch.int32).to(kind)
    rows.view(kind)[:, at // stored.itemsize] = whole


def _codes(values: torch.Tensor, offsets: torch.Tensor, bag: Inline) -> tuple[torch.Tensor, torch.Tensor]:
    """(codes [B, 8 * words / size], lengths [B]) of the bags between these offsets (int64 [B + 1])."""
    kind = _TORCH[bag.stored.str.lstrip("<|")]
    lengths = offsets.diff()
    own = values[int(offsets[0]) : int(offsets[-1])]
    row = torch.repeat_interleave(torch.arange(len(lengths), device=values.device), lengths)
    place = torch.arange(len(own), device=values.device) - torch.repeat_interleave(offsets[:-1] - offsets[0], lengths)
    codes = torch.zeros(len(lengths), 8 * bag.words // bag.stored.itemsize, dtype=kind, device=values.device)
    codes[row, place] = (own.to(torch.int32) + 1).to(kind)
    return codes, lengths


def choose_layout(columns: Columns) -> Layout:
    """Narrowest types; widest fields first, so that each lies at a multiple of its size."""
    inline = {name: found for name, bag in columns.bags.items() if (found := _inline_type(*bag)) is not None}
    return _laid_out(
        list(columns.ids),
        list(columns.dense),
        list(columns.bags),
        [_narrowest(tensor) for tensor in columns.flat],
        inline,
    )


def layout_of(schema: Schema) -> Layout:
    """For rows that are not all known yet: types that hold anything, bags of any length."""
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
    """stored: of ids, dense and the label; inline: (type of a code, words) of the bags that lie within the row."""
    names = [*ids, *dense, "label"]
    pointed = [name for name in bags if name not in inline]
    sizes: dict[tuple[str, str | int], int] = {}
    for name, (_, words) in inline.items():
        sizes["bag", name], sizes["length", name] = 8 * words, 1
    for name in pointed:
        sizes["bag", name], sizes["length", name] = 8, 4
    for i, kind in enumerate(stored):
        sizes["flat", i] = kind.itemsize
    at, end = {}, 0
    for key in sorted(sizes, key=lambda key: -min(sizes[key], 8)):
        at[key], end = end, end + sizes[key]
    out = [np.dtype("i4")] * len(ids) + [np.dtype("f4")] * (len(dense) + 1)
    return Layout(
        flat=tuple(Flat(name, at["flat", i], stored[i], out[i]) for i, name in enumerate(names)),
        inline=tuple(
            Inline(name, at["bag", name], kind, words, at["length", name]) for name, (kind, words) in inline.items()
        ),
        pointed=tuple(Pointed(name, at["bag", name], at["length", name]) for name in pointed),
        ids=len(ids),
        bags=tuple(bags),
        row_bytes=-(-end // LINE_BYTES) * LINE_BYTES,
    )


def _narrowest(column: torch.Tensor) -> np.dtype[Any]:
    """The smallest type that holds every value exactly: to the bit, so that -0.0 and NaN stay what they are."""
    own = np.dtype("<f4" if column.is_floating_point() else "<i4")
    if not len(column):
        return np.dtype("u1")
    if column.is_floating_point() and not bool(((column == column.floor()) & (column.view(torch.int32) >= 0)).all()):
        return own
    least, greatest = (float(bound) for bound in torch.aminmax(column))
    fits = (kind for kind in ("u1", "<u2") if least >= 0 and greatest <= np.iinfo(kind).max)
    return np.dtype(next(fits, own))


def _inline_type(values: torch.Tensor, offsets: torch.Tensor) -> tuple[np.dtype[Any], int] | None:
    """(type of a code, words of 8 bytes), or None for bags that are too long or ids that are too large."""
    longest = int(offsets.diff().max()) if len(offsets) > 1 else 0
    least, greatest = (int(bound) for bound in torch.aminmax(values)) if len(values) else (0, 0)
    for kind in ("u1", "<u2"):
        size = longest * np.dtype(kind).itemsize
        if least >= 0 and greatest < np.iinfo(kind).max and size <= INLINE_BYTES:
            return np.dtype(kind), max(1, -(-size // 8))
    return None
