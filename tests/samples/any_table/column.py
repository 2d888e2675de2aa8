"""A hypothesis strategy for one column of a user's files: its types, its values, and what options say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from feedrate.bench.datasets.tables.declared import Fill
from tests.samples.any_table import values as any_values

INTEGERS = [pa.int64(), pa.int32(), pa.int16(), pa.int8(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
FLOATS = [pa.float64(), pa.float32(), pa.float16()]
DECIMALS = [
    *(pa.decimal128(9, 2), pa.decimal128(38, 10), pa.decimal128(5, 0), pa.decimal32(5, 2), pa.decimal64(15, 3)),
    *(pa.decimal256(76, 20), pa.decimal256(76, 0), pa.decimal256(40, 1)),
]
DICTIONARY = pa.dictionary(pa.int32(), pa.string())
LARGE_DICTIONARY = pa.dictionary(pa.int8(), pa.large_string())
TEXTS = [pa.string(), pa.large_string(), pa.string_view(), DICTIONARY, LARGE_DICTIONARY, pa.json_()]
BYTES_DICTIONARY = pa.dictionary(pa.int32(), pa.binary())
BYTES = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(4), pa.uuid(), BYTES_DICTIONARY]
FLAGS = [pa.bool_(), pa.bool8()]
DATES = [pa.date32(), pa.date64()]
TIMES = [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]
INSTANTS = [pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")]
ZONED = [pa.timestamp(unit, zone) for unit in ("s", "us", "ns") for zone in ("UTC", "Europe/Rome", "+05:30")]
DURATIONS = [pa.duration(unit) for unit in ("s", "ms", "us", "ns")]
MIXED = [*INTEGERS, *FLOATS, *DECIMALS]
OTHERS = [
    *(pa.map_(pa.string(), pa.int32()), pa.list_(pa.struct([("x", pa.int32())])), pa.list_(pa.list_(pa.int32()))),
    *(
        pa.list_view(pa.list_(DICTIONARY, 2)),
        pa.list_(pa.map_(pa.string(), pa.int32())),
        pa.opaque(pa.int32(), "a", "b"),
    ),
    pa.fixed_shape_tensor(pa.float32(), [2]),
]


@dataclass(frozen=True, slots=True)
class Saying:
    """What options say of a column, and which values it may then have."""

    options: tuple[str, ...] = ()
    """Fields of DeclaredColumns."""
    fills: tuple[Fill, ...] = ()
    """One of them is said, if there is any."""
    nulls: bool = True
    odd: bool = False
    fixed: bool = False
    """Whether lists must have one length."""


_PLAIN, _DROP = Saying(nulls=False), Saying(("drop",), odd=True)
_IDS = Saying(("single_hot", "categorify"), odd=True)
_BAGS = Saying(("multi_hot", "categorify"), ("empty",), odd=True)
_NUMBER = Saying(("continuous",), ("zero", "median", "mean", 2.5))
_VECTOR = Saying(("vector",), nulls=False, fixed=True)
_WHOLE_NUMBERS = [
    _PLAIN,
    _PLAIN,
    _IDS,
    Saying(("categorify",), odd=True),
    Saying(("single_hot",), ("zero", 1.0)),
    _NUMBER,
]
_NUMBERS = [_PLAIN, Saying((), ("zero", "median", "mean", -1.0)), _NUMBER, _IDS]
_WORDS = [Saying(), Saying(), Saying(("single_hot",)), Saying(("categorify",)), _DROP]
_TICKS = [Saying(odd=True), _IDS, _IDS, _NUMBER]
_FLAT: list[tuple[list[pa.DataType], list[Saying]]] = [
    *((INTEGERS, _WHOLE_NUMBERS), (INTEGERS, _WHOLE_NUMBERS), (FLOATS, _NUMBERS), (DECIMALS, _NUMBERS)),
    *(
        (MIXED, [_NUMBER]),
        ([*INTEGERS, *DECIMALS], [_PLAIN, _IDS]),
        (TEXTS, _WORDS),
        (TEXTS, _WORDS),
        (FLAGS, _WORDS),
        (BYTES, [Saying(), _IDS]),
    ),
    *(([*TEXTS, *BYTES], [Saying(), _IDS]), ([pa.null()], [Saying(), Saying(("single_hot",), (1.0,))])),
    *((kinds, _TICKS) for kinds in (DATES, TIMES, INSTANTS, ZONED, DURATIONS)),
    (OTHERS, [Saying(odd=True), _DROP]),
]
"""Types that agree with each other, and what may be said of columns of these types."""
_WORD_LISTS = [_PLAIN, _BAGS, Saying((), ("empty",)), Saying(("multi_hot",), ("empty",))]
_LISTS: list[tuple[list[pa.DataType], list[Saying]]] = [
    *((INTEGERS, [_PLAIN, _PLAIN, _BAGS, _VECTOR]), (FLOATS, [Saying(odd=True), _BAGS, _VECTOR])),
    *((DECIMALS, [Saying(odd=True), _BAGS, _VECTOR]), (TEXTS, _WORD_LISTS), (FLAGS, _WORD_LISTS), (BYTES, [_BAGS])),
    *((kinds, [Saying(odd=True), _BAGS]) for kinds in (DATES, TIMES, INSTANTS, ZONED, DURATIONS)),
    *((([pa.null()], [_BAGS])), (OTHERS, [Saying(odd=True), _DROP])),
]
_RAW_FLAT = [
    (INTEGERS, [_PLAIN]),
    (FLOATS, [_PLAIN, Saying(nulls=False, odd=True)]),
    (DECIMALS, [_PLAIN]),
    (MIXED, [_PLAIN]),
]
_RAW_LISTS = [(INTEGERS, [_PLAIN]), (INTEGERS, [_PLAIN]), ([pa.null()], [_PLAIN])]
"""Types that a loader takes without `feedrate prepare`."""
_SHAPES = ["list", "list", "large_list", "fixed", "view", "large_view"]
_OPTIONS = ["single_hot", "multi_hot", "continuous", "vector", "categorify", "drop"]


@dataclass(frozen=True, slots=True)
class AnyColumn:
    """A column of all files."""

    said_of: str
    """The name that the options say something of: the column's own, or that of a struct's field."""
    options: tuple[str, ...]
    fill: Fill | None
    parts: tuple[pa.Array | None, ...]
    """Its array in each file. None: the file does not have it."""


@st.composite
def any_columns(
    draw: st.DrawFn, name: str, rows: Sequence[int], *, fitting: bool, silent: bool, raw: bool
) -> AnyColumn:
    """Draw a column.

    fitting: only what `feedrate prepare` can do, for the most part, or what loaders take if raw. silent: no options.
    """
    nested = draw(st.sampled_from(["flat", "flat", "flat", "list", "list", "struct"]))
    flat, lists = (_RAW_FLAT, _RAW_LISTS) if raw and fitting else (_FLAT, _LISTS)
    kinds, sayings = draw(st.sampled_from(lists if nested == "list" else flat))
    saying = draw(st.sampled_from(sayings) if fitting else _any_sayings())
    if silent:
        saying = Saying(nulls=saying.nulls and kinds not in (INTEGERS, FLOATS, DECIMALS, MIXED), odd=saying.odd)
    nulls, odd = saying.nulls and draw(st.booleans()), saying.odd and draw(st.booleans())
    wild = not fitting and draw(rarely())
    shapes = ["fixed"] if saying.fixed else _SHAPES
    first = _kind(draw, kinds, nested, shapes, words=not raw)
    parts: list[pa.Array | None] = []
    for count in rows:
        kind, change = first, draw(st.integers(0, 11))
        if change < 4:
            kind = _kind(draw, kinds, nested, shapes, words=not raw)
        elif change == 4 and nested != "struct" and (nulls or not fitting):
            kind = pa.null()
        elif change == 5 and wild:
            kind = draw(st.sampled_from(draw(st.sampled_from(_FLAT))[0]))
        value = any_values.values(kind, odd=odd, nulls=nulls)
        missing = change == 6 and wild and len(rows) > 1
        parts.append(None if missing else any_values.array(kind, draw(column_of(value, count))))
    fill = draw(st.sampled_from(saying.fills)) if saying.fills else None
    return AnyColumn(f"{name}.b" if nested == "struct" else name, saying.options, fill, tuple(parts))


def rarely() -> st.SearchStrategy[bool]:
    """Return True once in a dozen times."""
    return st.sampled_from([False] * 11 + [True])


def column_of(value: st.SearchStrategy[Any], count: int) -> st.SearchStrategy[list[Any]]:
    """Return so many values."""
    return st.lists(value, min_size=count, max_size=count)


@st.composite
def _any_sayings(draw: st.DrawFn) -> Saying:
    """Draw options whether they fit or not."""
    options = draw(st.sampled_from([(), (), ("categorify",), *((option,) for option in _OPTIONS)]))
    if options and options[0].endswith("_hot") and draw(st.booleans()):
        options = (*options, "categorify")
    fills: tuple[Fill, ...] = ("zero", "median", "mean", "empty", 1.0, 2.5, -1.0)
    return Saying(options, fills if draw(st.integers(0, 3)) == 0 else (), odd=draw(st.booleans()))


def _kind(
    draw: st.DrawFn, kinds: Sequence[pa.DataType], nested: str, shapes: Sequence[str], *, words: bool
) -> pa.DataType:
    """Draw one of the types, a list of it or a struct with it. words: structs may also have text."""
    kind = draw(st.sampled_from(kinds))
    if nested == "struct":
        deep = pa.struct([("t", pa.string()), ("b.c", DICTIONARY)] if words else [("b.c", pa.int32())])
        return draw(st.sampled_from([pa.struct([("b", kind)]), pa.struct([("", deep), ("b", kind)])]))
    if nested == "flat":
        return kind
    makes = {
        "list": pa.list_,
        "large_list": pa.large_list,
        "fixed": lambda value: pa.list_(value, 2),
        "view": pa.list_view,
        "large_view": pa.large_list_view,
    }
    return makes[draw(st.sampled_from(shapes))](kind)
