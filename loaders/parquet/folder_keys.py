"""Types of columns that stand in the names of `key=value` folders."""

from __future__ import annotations

import re
from collections.abc import Collection

import pyarrow as pa

from feedrate.loaders.parquet.arrow_types import INTEGER, NUMBER, TEXT

_KINDS = (
    (INTEGER, r"[+-]?\d{1,18}"),
    (NUMBER, r"[+-]?\d+\.\d+"),
    (pa.date32(), r"\d{4}-\d\d-\d\d"),
    (pa.bool_(), r"(?i)true|false"),
)
"""Types, each with the pattern of its texts, in the order in which they are tried."""


def key_value(text: str | None, kind: pa.DataType) -> pa.Scalar:
    """Return a value from the name of a folder as `kind`."""
    return pa.scalar(text, pa.string()).cast(kind) if text is not None else pa.scalar(None, kind)


def key_kind(texts: Collection[str | None]) -> pa.DataType:
    """Return a type that keeps different texts apart: 7 and 007 are text. None is a missing value."""
    values = {text for text in texts if text is not None}
    for kind, pattern in _KINDS:
        if values and all(re.fullmatch(pattern, value) for value in values):
            try:
                typed = {key_value(value, kind) for value in values}
            except pa.ArrowInvalid:
                continue
            if len(typed) == len(values):
                return kind
    return TEXT
