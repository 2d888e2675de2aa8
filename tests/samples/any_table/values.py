"""Hypothesis strategies for values of any Arrow type, and the arrays that hold them.

A value is what pa.array() takes, except that times are their ticks, decimals are their unscaled integers and text is bytes.
Lists are lists, structs are tuples, and maps are lists of pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as types
from hypothesis import strategies as st

TEXTS = [b"a", b"b", "ü".encode()]
ODD_TEXTS = [b"", b"NaN", b"null", b"\0", b" a", "🙂".encode(), b"x" * 300, b"b\n"]
NOT_TEXT = b"\xff\xfe"
FLOATS = [0.0, 1.0, 2.0, -0.0, 0.5, 3.0]
ODD_FLOATS = [
    float("nan"),
    float("inf"),
    float("-inf"),
    -1.5,
    1e-45,
    2.0**53 + 2,
    2.0**63,
    1e39,
    5e-324,
    65_504.0,
    1.7e308,
]
ODD_INTEGERS = [-1, 9_999, 20_000, 2**24 + 1, 2**31 - 2, 2**31 - 1, 2**53 + 1, 2**63 - 1, 2**64 - 1]
_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def values(kind: pa.DataType, *, odd: bool, nulls: bool) -> st.SearchStrategy[Any]:
    """Return a strategy for values of the type. odd: also extreme ones. nulls: also None, at any depth."""
    inner = _nested(kind, odd=odd, nulls=nulls) if types.is_nested(kind) else _leaf(kind, odd=odd)
    return st.one_of(inner, inner, st.none()) if nulls else inner


def array(kind: pa.DataType, content: Sequence[Any]) -> pa.Array:
    """Return the array of these values."""
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, array(kind.storage_type, content))
    if types.is_dictionary(kind):
        return _dictionary(kind, content)
    if types.is_map(kind):
        return _map(kind, content)
    if types.is_struct(kind):
        children = [
            array(field.type, [None if row is None else row[place] for row in content])
            for place, field in enumerate(kind)
        ]
        mask = pa.array([row is None for row in content], pa.bool_())
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=mask)
    if types.is_nested(kind):
        return _list(kind, content)
    return _flat(kind, content)


def _leaf(kind: pa.DataType, *, odd: bool) -> st.SearchStrategy[Any]:
    if isinstance(kind, pa.BaseExtensionType):
        return values(kind.storage_type, odd=odd, nulls=False)
    if types.is_dictionary(kind):
        return values(kind.value_type, odd=odd, nulls=False)
    return st.sampled_from(_pool(kind, odd=odd))


def _pool(kind: pa.DataType, *, odd: bool) -> list[Any]:
    if types.is_null(kind):
        return [None]
    if types.is_boolean(kind):
        return [False, True]
    if types.is_integer(kind):
        low, high = _bounds(kind)
        return [0, 1, 2, 3, *([low, high, *(n for n in ODD_INTEGERS if low <= n <= high)] if odd else [])]
    if types.is_floating(kind):
        return [*FLOATS, *(ODD_FLOATS if odd else [])]
    if types.is_decimal(kind):
        most = 10**kind.precision - 1
        return [0, 10**kind.scale % (most + 1), *([1, -1, most, -most] if odd else [])]
    if types.is_fixed_size_binary(kind):
        return [text.ljust(kind.byte_width, b".")[: kind.byte_width] for text in (*TEXTS, *([NOT_TEXT] if odd else []))]
    if _is_text(kind) or _is_bytes(kind):
        return [*TEXTS, *ODD_TEXTS, *([NOT_TEXT] if odd else [])]
    return _ticks(kind, odd=odd)


def _ticks(kind: pa.DataType, *, odd: bool) -> list[int]:
    step = _DAY["ms"] if types.is_date64(kind) else 1
    if types.is_time(kind):
        extreme = [_DAY[kind.unit] - 1]
    elif types.is_date(kind):
        extreme = [step * (2**31 - 1), -step * 2**31]
    else:
        most = (
            2**53 if types.is_timestamp(kind) and kind.unit == "s" else 2**63 - 1
        )  # Arrow writes seconds as milliseconds
        extreme = [most, -most, -1]
    return [0, step, 2 * step, 40 * step, *(extreme if odd else [])]


def _nested(kind: pa.DataType, *, odd: bool, nulls: bool) -> st.SearchStrategy[Any]:
    if types.is_struct(kind):
        return st.tuples(*(values(field.type, odd=odd, nulls=nulls) for field in kind))
    if types.is_map(kind):
        pairs = st.tuples(values(kind.key_type, odd=False, nulls=False), values(kind.item_type, odd=odd, nulls=nulls))
        return st.lists(pairs, max_size=2)
    size = kind.list_size if types.is_fixed_size_list(kind) else None
    return st.lists(
        values(kind.value_type, odd=odd, nulls=nulls), min_size=size or 0, max_size=3 if size is None else size
    )


def _flat(kind: pa.DataType, content: Sequence[Any]) -> pa.Array:
    if types.is_decimal(kind):
        wide = Context(prec=80)
        numbers = [None if value is None else Decimal(value).scaleb(-kind.scale, wide) for value in content]
        return pa.array(numbers, kind)
    if _is_text(kind):
        return _unchecked_text(kind, content)
    for is_timed, storage in _STORAGE.items():
        if is_timed(kind):
            return pa.array(content, storage(kind)).view(kind)
    if types.is_float16(kind):
        with np.errstate(over="ignore"):
            return pa.array([None if value is None else np.float16(value) for value in content], kind)
    return pa.array(content, kind)


_STORAGE: Mapping[Callable[[pa.DataType], bool], Callable[[pa.DataType], pa.DataType]] = {
    types.is_date32: lambda _kind: pa.int32(),
    types.is_time32: lambda _kind: pa.int32(),
    types.is_date64: lambda _kind: pa.int64(),
    types.is_time64: lambda _kind: pa.int64(),
    types.is_timestamp: lambda _kind: pa.int64(),
    types.is_duration: lambda _kind: pa.int64(),
}


def _unchecked_text(kind: pa.DataType, content: Sequence[Any]) -> pa.Array:
    """Return text whose bytes are taken as they are, as C++ programs write it."""
    if types.is_string_view(kind):
        return pa.array(content, pa.binary_view()).view(kind)
    large = types.is_large_string(kind)
    return pa.array(content, pa.large_binary() if large else pa.binary()).view(kind)


def _dictionary(kind: pa.DataType, content: Sequence[Any]) -> pa.Array:
    """Return a dictionary with an entry that no row has, and nulls in the indices."""
    entries = [value for value in dict.fromkeys(content) if value is not None]
    spare = _pool(kind.value_type, odd=False)[-1]
    places = {value: place for place, value in enumerate(entries)}
    indices = pa.array([None if value is None else places[value] for value in content], kind.index_type)
    dictionary = array(kind.value_type, [*entries, *([] if spare in entries else [spare])])
    return pa.DictionaryArray.from_arrays(indices, dictionary)


def _list(kind: pa.DataType, content: Sequence[Any]) -> pa.Array:
    mask = pa.array([row is None for row in content], pa.bool_())
    if types.is_fixed_size_list(kind):
        flat = [value for row in content for value in (row if row is not None else [None] * kind.list_size)]
        return pa.FixedSizeListArray.from_arrays(array(kind.value_type, flat), type=kind, mask=mask)
    inner = array(kind.value_type, [value for row in content for value in row or ()])
    sizes = [len(row or ()) for row in content]
    offsets = list(accumulate(sizes, initial=0))
    width = pa.int64() if types.is_large_list(kind) or types.is_large_list_view(kind) else pa.int32()
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        views = pa.LargeListViewArray if types.is_large_list_view(kind) else pa.ListViewArray
        return views.from_arrays(pa.array(offsets[:-1], width), pa.array(sizes, width), inner, type=kind, mask=mask)
    lists = pa.LargeListArray if types.is_large_list(kind) else pa.ListArray
    return lists.from_arrays(pa.array(offsets, width), inner, type=kind, mask=mask)


def _map(kind: pa.DataType, content: Sequence[Any]) -> pa.Array:
    pairs = [pair for row in content for pair in row or ()]
    ends = list(accumulate((len(row or ()) for row in content), initial=0))
    offsets = [*(None if row is None else start for row, start in zip(content, ends, strict=False)), ends[-1]]
    return pa.MapArray.from_arrays(
        pa.array(offsets, pa.int32()),
        array(kind.key_type, [key for key, _ in pairs]),
        array(kind.item_type, [item for _, item in pairs]),
    )


def _bounds(kind: pa.DataType) -> tuple[int, int]:
    if types.is_unsigned_integer(kind):
        return 0, 2**kind.bit_width - 1
    return -(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1


def _is_text(kind: pa.DataType) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))
