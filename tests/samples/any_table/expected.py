"""What `feedrate prepare` has to do with a column, worked out from the Python values that reading.py returns.

It restates the rules of issue and documentation in the plainest way, and shares no code with the package.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from tests.samples.any_table.reading import FileRead, Part
from tests.samples.any_table.table import AnyTable

Fate = Literal["kept", "left out", "refused", "kept or refused"]
NUMBERS = ("integer", "float", "decimal")
TIMES = ("date", "time", "instant", "zoned instant", "duration")
MAX_ID = 2**31 - 2
SURE_IDS = 10_000
"""Ids below this are kept whatever the machine: their table takes some megabytes."""

MAX_FLOAT32 = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Expected:
    """A column of all files, and what becomes of it."""

    name: str
    fate: Fate
    kind: str = ""
    """single-hot, multi-hot, continuous, vector or label."""
    categorified: bool = False
    values: Sequence[Any] = ()
    """Of all rows: what stands for each before it becomes an id or a float32. Filled, and with None for what is missing."""
    fill: int = 0
    """The id that is given to missing values of a column whose ids are kept."""


def expected(table: AnyTable, files: Sequence[FileRead]) -> dict[str, Expected]:
    """Return what becomes of each column of the files. Files without rows do not count."""
    files = [file for file in files if file.rows]
    names = dict.fromkeys(name for file in files for name, _ in file.columns)
    columns = {name: _expected(name, table, files) for name in names}
    placed = [place for column in columns.values() if column.fate.startswith("kept") for place in places(column)]
    clashing = {place for place in placed if placed.count(place) > 1}
    clashing_vectors = {
        name: Expected(name, "refused")
        for name, column in columns.items()
        if column.kind == "vector" and clashing & {*places(column)}
    }
    return {**columns, **clashing_vectors}


def places(column: Expected) -> list[str]:
    """Return the names in the dataset."""
    if column.kind != "vector":
        return [column.name]
    width = len(column.values[0]) if column.values and column.values[0] is not None else 0
    return [f"{column.name}.{place}" for place in range(width)]


def _expected(name: str, table: AnyTable, files: Sequence[FileRead]) -> Expected:
    declared = table.declared
    if name in declared.drop:
        return Expected(name, "refused" if name in table.fill else "left out")
    if any(len(file.parts(name)) != 1 for file in files):
        return Expected(name, "refused")
    parts = [file.parts(name)[0] for file in files]
    values = [value for part in parts for value in part.values]
    common = common_family([part.family for part in parts])
    kind = declared.kinds.get(name, "")
    categorify = name in declared.categorify
    if common is None or any(part.family == "unreadable" for part in parts):
        return Expected(name, "refused")
    inferred = kind or _inferred(common, categorify=categorify)
    if not inferred:
        return Expected(name, "refused" if name in table.fill else "left out")
    made_ids = inferred in ("single-hot", "multi-hot") and (categorify or _inner(common) in ("text", "bytes", "flag"))
    if not _fits(common, inferred, categorify=categorify):
        return Expected(name, "refused")
    column = _Column(name, common, inferred, bool(kind), made_ids, parts, values, table)
    return column.expected()


def common_family(families: Sequence[str]) -> str | None:
    """Return the one family of all files; None if they differ in more than that does not matter."""
    kinds = {family for family in families if family != "null"}
    lists = {family for family in kinds if family.startswith("list of ")}
    if not kinds:
        return "null"
    if lists:
        inner = common_family([family.removeprefix("list of ") for family in lists])
        return f"list of {inner}" if lists == kinds and inner is not None else None
    if kinds <= {*NUMBERS} and len(kinds) > 1:
        return "whole numbers" if "integer" in kinds else "float"
    if kinds == {"text", "bytes"}:
        return "bytes"
    return kinds.pop() if len(kinds) == 1 else None


def _inner(common: str) -> str:
    return common.removeprefix("list of ")


def _inferred(common: str, *, categorify: bool) -> str:
    """Return the kind of a column of which no kind is said; empty if it is left out."""
    listed, inner = common.startswith("list of "), _inner(common)
    if common == "other":
        return ""
    if categorify:
        return "multi-hot" if listed else "single-hot"
    if common == "null" or inner in TIMES or (listed and inner in ("float", "decimal")):
        return ""
    return "multi-hot" if listed else "continuous" if inner in ("float", "decimal") else "single-hot"


def _fits(common: str, kind: str, *, categorify: bool) -> bool:
    """Whether a column of the family can be of the kind."""
    listed, inner = common.startswith("list of "), _inner(common)
    if common == "other" or (categorify and kind not in ("single-hot", "multi-hot")):
        return False
    if kind in ("single-hot", "multi-hot"):
        right = listed if kind == "multi-hot" else not listed
        return (right or common == "null") and (categorify or inner not in ("float", "decimal", *TIMES))
    if kind == "vector":
        return listed and inner in (*NUMBERS, "whole numbers")
    numeric = inner in (*NUMBERS, "whole numbers", "flag")
    return not listed and (numeric or (kind == "continuous" and common in ("null", *TIMES)))


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that fits its kind, so that its values decide."""

    name: str
    common: str
    kind: str
    declared: bool
    made_ids: bool
    parts: Sequence[Part]
    values: Sequence[Any]
    table: AnyTable

    def expected(self) -> Expected:
        if self._empty():
            return Expected(self.name, "refused" if self._fill is not None else "left out")
        unheld = self._unheld()
        if unheld == "refused":
            return Expected(self.name, "refused")
        values = self._filled()
        if values is None:
            return Expected(self.name, "refused")
        fate = _NUMERIC_FATES.get(self.kind, _fate_of_ids)(self, values)
        if fate == "kept" and unheld:
            fate = "kept or refused"
        fill = int(self._fill) if self.kind == "single-hot" and isinstance(self._fill, float) else 0
        return Expected(self.name, fate, self.kind, self.made_ids, values, fill)

    @property
    def _fill(self) -> Any:
        return self.table.fill.get(self.name)

    def _empty(self) -> bool:
        """Whether nothing was said of it, and it has no value or is no text."""
        if self.declared or not self.made_ids:
            return False
        inner = [value for value in flat(self.values) if value is not None]
        if _inner(self.common) == "bytes" and not all(map(_is_text, inner)):
            return True
        return self.kind == "single-hot" and not inner

    def _unheld(self) -> Fate | None:
        """Whether the one type of all files cannot hold a value, or perhaps not."""
        inner = [value for value in flat(self.values) if value is not None]
        common = _inner(self.common)
        if common == "text" and not all(map(_is_text, inner)):
            return "refused"
        if common == "whole numbers" and self.kind in ("single-hot", "multi-hot"):
            whole = all(
                is_nan(value) or (abs(value) < math.inf and value == int(value) and -(2**63) <= value < 2**63)
                for value in inner
            )
            return None if whole else "refused"
        if common == "integer" and any(value >= 2**63 for value in inner) and self.kind in ("single-hot", "multi-hot"):
            return "kept or refused"  # uint64 alone, or beside signed integers
        extreme = common in ("instant", "zoned instant", "duration") and any(abs(value) >= 2**63 for value in inner)
        extreme = extreme or (common == "decimal" and any(abs(value) >= 10**38 for value in inner))
        return "kept or refused" if extreme else None

    def _filled(self) -> Sequence[Any] | None:
        """Return the values with what was asked for in place of missing ones; None if that cannot be asked."""
        fill, values = self._fill, self.values
        if self.kind in ("continuous", "label"):
            values = [_seconds(value) if self.common in TIMES else value for value in values]
        if self.common in ("whole numbers", "list of whole numbers") and self.kind in ("single-hot", "multi-hot"):
            values = [without_nan(value) for value in values]
        if fill is None:
            return values
        if self.kind == "multi-hot":
            return [[] if value is None else value for value in values] if fill == "empty" else None
        if fill == "empty" or self.made_ids:
            return None
        if self.kind == "single-hot":
            if fill in ("mean", "median") or (fill != "zero" and (fill < 0 or fill != int(fill))):
                return None
            number = 0 if fill == "zero" else int(fill)
            return [number if value is None else value for value in values]
        if self.kind == "label" and fill in ("mean", "median"):
            return None
        inner = [float(v) for v in flat(values) if not is_missing(v) and math.isfinite(float(v))]
        if fill in ("mean", "median") and not inner and any(is_missing(value) for value in flat(values)):
            return None
        with np.errstate(all="ignore"):
            given = {
                "zero": lambda: 0.0,
                "mean": lambda: float(np.mean(inner)),
                "median": lambda: float(np.median(inner)),
            }
            number = given[fill]() if isinstance(fill, str) else fill
        missing = None if self.kind == "vector" else number  # a list that is missing stays so
        return [missing if value is None else _fill_inner(value, number) for value in values]


def _fill_inner(value: Any, number: float) -> Any:
    if isinstance(value, list):
        return [_fill_inner(inner, number) for inner in value]
    return number if is_missing(value) else value


def _fate_of_label(column: _Column, values: Sequence[Any]) -> Fate:
    if any(is_missing(value) for value in values):
        return "refused"
    binary = column.table.declared.label_above is not None or all(
        value in (0, 1) for value in column.values if not is_missing(value)
    )
    return "kept" if binary else "refused"


def _fate_of_numbers(column: _Column, values: Sequence[Any]) -> Fate:
    if any(is_missing(value) or abs(float(value)) > MAX_FLOAT32 for value in flat(values)):
        return "refused"
    return "kept"


def _fate_of_vector(column: _Column, values: Sequence[Any]) -> Fate:
    lengths = {-1 if value is None else len(value) for value in values}
    return _fate_of_numbers(column, values) if len(lengths) == 1 and min(lengths) > 0 else "refused"


def _fate_of_ids(column: _Column, values: Sequence[Any]) -> Fate:
    if column.kind == "multi-hot" and any(value is None for value in values):
        return "refused"
    if column.made_ids:
        return "kept"
    inner = flat(values)
    if any(value is None or not 0 <= value <= MAX_ID for value in inner):
        return "refused"
    return "kept" if column.declared or max(inner, default=0) < SURE_IDS else "kept or refused"


_NUMERIC_FATES = {"label": _fate_of_label, "continuous": _fate_of_numbers, "vector": _fate_of_vector}


def flat(values: Iterable[Any]) -> list[Any]:
    """Return the values, or those of the lists. A null list has none."""
    values = list(values)
    if any(isinstance(value, list) for value in values):
        return [inner for value in values if value is not None for inner in value]
    return values


def is_missing(value: Any) -> bool:
    return value is None or is_nan(value)


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _seconds(value: int | None) -> float | None:
    return None if value is None else float(Decimal(value) / 10**9)


def without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [without_nan(inner) for inner in value]
    return None if is_nan(value) else value
