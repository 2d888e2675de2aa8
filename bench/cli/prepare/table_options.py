"""The options of `feedrate prepare` for a user's own tables, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Annotated, TypeVar

import typer

from feedrate.bench.cli.options import Words, words
from feedrate.bench.datasets.tables.declared import Fill, Transforms
from feedrate.loaders.errors import FeedrateError

Value = TypeVar("Value")


def _columns(help_text: str) -> object:
    return typer.Option(metavar="A,B", parser=words, help=f"tables: {help_text}")


def _repeated(metavar: str, help_text: str) -> object:
    return typer.Option(metavar=metavar, help=f"tables: {help_text} Repeatable.")


Label = Annotated[
    str,
    typer.Option(metavar="COLUMN", help="tables: column to predict, 0 or 1. Required, except for criteo and avazu."),
]
LabelAbove = Annotated[
    float | None, typer.Option(metavar="NUMBER", help="tables: set the label to 1 if the column is above NUMBER.")
]
SingleHot = Annotated[Words, _columns("columns with one id per row.")]
MultiHot = Annotated[Words, _columns("columns with a list of ids per row.")]
Continuous = Annotated[Words, _columns("columns of numbers. Times become seconds.")]
Vector = Annotated[Words, _columns("lists of numbers of one length. Each place becomes a continuous column.")]
Categorify = Annotated[
    Words, _columns("columns whose values become ids by frequency. Text columns are always included.")
]
Drop = Annotated[Words, _columns("columns to leave out.")]
Log1p = Annotated[Words, _columns("continuous columns to replace by log(1 + x).")]
Normalize = Annotated[Words, _columns("continuous columns to shift to mean 0 and scale to standard deviation 1.")]
FillOption = Annotated[
    list[str] | None,
    _repeated("COL=VALUE", "fill missing values with a number, zero, median or mean; null lists with empty."),
]
ClipOption = Annotated[list[str] | None, _repeated("COL=LOW:HIGH", "cut a continuous column to these bounds.")]
MinCount = Annotated[
    list[str] | None, _repeated("[COL=]N", "give values that occur less than N times id 0, or a hashed one.")
]
HashBuckets = Annotated[
    list[str] | None, _repeated("[COL=]N", "hash values to N ids: all, or those below --min-count.")
]
NullValues = Annotated[Words, _columns("CSV texts that mean a missing value, such as NA.")]


def read_transforms(
    fill: Sequence[str],
    clip: Sequence[str],
    log1p: Sequence[str],
    normalize: Sequence[str],
    min_count: Sequence[str],
    hash_buckets: Sequence[str],
) -> Transforms:
    """Read the options. Raises FeedrateError for a value that cannot be read."""
    return Transforms(
        fill=dict(_pair("--fill", text, read_fill) for text in fill),
        clip=dict(_pair("--clip", text, read_bounds) for text in clip),
        log1p=tuple(log1p),
        normalize=tuple(normalize),
        min_count=dict(_pair("--min-count", text, read_count, general=True) for text in min_count),
        hash_buckets=dict(_pair("--hash-buckets", text, read_count, general=True) for text in hash_buckets),
    )


def read_fill(text: str) -> Fill:
    """Read a number, zero, median, mean or empty."""
    if text in ("zero", "median", "mean", "empty"):
        return text  # type: ignore[return-value]
    return _finite(text)


def read_bounds(text: str) -> tuple[float | None, float | None]:
    """Read "0:100", "0:" or ":100"."""
    low, colon, high = text.partition(":")
    if not colon or not (low or high):
        raise ValueError("bounds are LOW:HIGH, of which one may be left out")
    bounds = _finite(low) if low else None, _finite(high) if high else None
    if bounds[0] is not None and bounds[1] is not None and bounds[0] > bounds[1]:
        raise ValueError("the lower bound is above the upper one")
    return bounds


def read_count(text: str) -> int:
    """Read a whole number from 1 to 2^31 - 2."""
    if not text.isdecimal() or not 1 <= int(text) < 2**31 - 1:
        raise ValueError(f"{text!r} is not a whole number from 1 to 2147483646")
    return int(text)


def _finite(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not isfinite(number):
        raise ValueError("the number must be finite")
    return number


def _pair(option: str, text: str, read: Callable[[str], Value], *, general: bool = False) -> tuple[str, Value]:
    name, equals, value = text.rpartition("=")
    if not equals and not general:
        raise FeedrateError(f"{option} is {text!r}, but must be COLUMN=VALUE")
    try:
        return (name if equals else "*"), read(value)
    except ValueError as error:
        raise FeedrateError(f"{option} is {text!r}, which cannot be read: {str(error).partition(': ')[0]}") from None
