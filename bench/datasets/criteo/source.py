"""Criteo's click logs as they are around: the official files without a header, and the tables that others made of them.

Official are the 24 days of the Terabyte logs and train.txt of the Kaggle Display Advertising Challenge. Their fields lie
between tabs: the label, 13 whole numbers and 26 hashes of 8 hexadecimal digits, any of which but the label may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from feedrate.bench.datasets.csv_file import CsvFormat
from feedrate.bench.datasets.layout import Layout

_NUMBERS = tuple(f"I{i}" for i in range(1, 14))
_IDS = tuple(f"C{i}" for i in range(1, 27))
_COLUMNS = ("label", *_NUMBERS, *_IDS)
_LABELS = ("label", "clicked", "click", "target")
_TEXT: Mapping[str, pl.DataType] = {name: pl.String() for name in _IDS}


def _by_kind(number: str, first_number: int, identifier: str, first_id: int) -> dict[str, str]:
    """Return the spelling in which numbers and ids are counted on their own."""
    return {
        **dict.fromkeys(_LABELS, "label"),
        **{f"{number}{first_number + i}": name for i, name in enumerate(_NUMBERS)},
        **{f"{identifier}{first_id + i}": name for i, name in enumerate(_IDS)},
    }


def _by_place(pattern: str, first: int) -> dict[str, str]:
    """Return the spelling in which a column is called by its place."""
    return {pattern.format(first + i): name for i, name in enumerate(_COLUMNS)}


CRITEO = Layout(
    title="Criteo's click log",
    columns=_COLUMNS,
    label="label",
    numbers=_NUMBERS,
    ids=_IDS,
    spellings=(
        _by_kind("i", 1, "c", 1),  # NVTabular, Merlin
        _by_kind("integer_feature_", 1, "categorical_feature_", 1),  # Hugging Face
        _by_kind("int_", 0, "cat_", 0),  # TorchRec
        _by_kind("int-feature-", 1, "categorical-feature-", 14),  # TensorFlow's models
        _by_place("_c{}", 0),  # Spark, from files without a header
        _by_place("column_{}", 1),  # Polars
        _by_place("column{:02}", 0),  # DuckDB
        _by_place("f{}", 0),  # Arrow
        _by_place("{}", 0),  # pandas
    ),
    types={"label": pl.Int64(), **{name: pl.Float64() for name in _NUMBERS}, **_TEXT},
    plain=CsvFormat(
        names=_COLUMNS,
        separator="\t",
        quoting=False,
        short_lines=True,
        types=(*[pl.Int64()] * (1 + len(_NUMBERS)), *_TEXT.values()),
    ),
    file_names=re.compile(
        r"^(?!.*(readme|licen[cs]e)).+\.txt(\.(gz|zst))?$|^(day|part|train|valid|val|test)([-_][^.]*)?(\.(gz|zst))?$",
        re.IGNORECASE,
    ),
)
