"""Types of CSV columns: the narrowest type that keeps every text of a column as it is. Else the column stays text.

Integers with leading zeros stay text ("007" is not "7"), and so do longer integers than 64 bits hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

_ZONE = r"( ?(Z|UTC|[+-]\d\d:?\d\d))"
_TIME = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"
_WHOLE = r"(0|[1-9]\d*)"
_FLOAT = rf"({_WHOLE}\.\d*|\.\d+)(e[+-]?\d+)?|{_WHOLE}(e[+-]\d+)?"
_NUMBER = rf"[+-]?({_FLOAT}|nan|inf|infinity)"
"""12e4 is none: it may be a hash."""
_LONG = r"^[+-]?\d{16,}$"
"""Integers that float64 may round."""
_MISSING = ("NA", "N/A", "n/a", "#N/A", "NULL", "null", "Null", "None", "none", "\\N", "-", "?", "NaT", "<NA>")
"""Texts that often stand for a missing value, but only if --null-values says so."""


@dataclass(frozen=True, slots=True)
class CsvType:
    """A type, and the texts that it keeps. Spaces around them are none of the value's."""

    pattern: str
    kind: pl.DataType
    not_pattern: str = ""

    def matches(self, text: pl.Expr) -> pl.Expr:
        """Return whether each text has the form of this type."""
        fits = text.str.contains(self.pattern)
        return fits & ~text.str.contains(self.not_pattern) if self.not_pattern else fits

    @property
    def may_fail(self) -> bool:
        """Whether a text may have the form of this type and yet be no value of it, such as the 31st of February."""
        return self.kind not in (pl.Float64, pl.Boolean)

    def values(self, text: pl.Expr) -> pl.Expr:
        """Return the values of texts without spaces around them. Null for a text that is none."""
        if self.kind == pl.Boolean:
            return text.str.to_lowercase() == "true"
        if self.kind == pl.Date:
            return text.str.to_date("%Y-%m-%d", strict=False)
        if isinstance(self.kind, pl.Datetime):
            text = (
                text.str.replace("T", " ", literal=True)
                .str.replace("Z|UTC", "+00:00")
                .str.replace(" +", "+", literal=True)
            )
            zone = "%#z" if self.kind.time_zone else ""
            return text.str.to_datetime(f"%Y-%m-%d %H:%M:%S%.f{zone}", time_unit=self.kind.time_unit, strict=False)
        if self.pattern == DECIMAL_COMMA.pattern:
            text = text.str.replace(",", ".", literal=True)
        return text.cast(self.kind, strict=False)


DECIMAL_COMMA = CsvType(r"^[+-]?(0|[1-9]\d*)(,\d+)?$", pl.Float64(), _LONG)
"""Of files whose fields are separated by semicolons, as Excel writes them where 0,5 is a half."""
TYPES = (
    CsvType(r"^(0|-?[1-9]\d{0,18})$", pl.Int64()),
    CsvType(r"^(0|[1-9]\d{0,19})$", pl.UInt64()),
    CsvType(rf"(?i)^({_NUMBER})$", pl.Float64(), _LONG),
    CsvType(r"(?i)^(true|false)$", pl.Boolean()),
    CsvType(r"^\d{4}-\d\d-\d\d$", pl.Date()),
    CsvType(rf"^{_TIME}(\.\d{{1,6}})?$", pl.Datetime("us")),
    CsvType(rf"^{_TIME}(\.\d{{1,9}})?$", pl.Datetime("ns")),
    CsvType(rf"^{_TIME}(\.\d{{1,6}})?{_ZONE}$", pl.Datetime("us", "UTC")),
    CsvType(rf"^{_TIME}(\.\d{{1,9}})?{_ZONE}$", pl.Datetime("ns", "UTC")),
)
"""In the order in which they are tried."""


class ColumnTypes:
    """Learns the types of columns from all texts of all files."""

    def __init__(self, *, decimal_comma: bool) -> None:
        """decimal_comma: whether 0,5 may be a number."""
        self._types = (*TYPES[:3], DECIMAL_COMMA, *TYPES[3:]) if decimal_comma else TYPES
        self._fits: dict[str, list[bool]] = {}
        self._has_values: set[str] = set()
        self._missing: dict[str, set[str]] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Look at text columns."""
        for name in frame.columns:
            fits = self._fits.setdefault(name, [True] * len(self._types))
            self._missing.setdefault(name, set())
            texts = frame[name].drop_nulls()
            if not len(texts):
                continue
            self._has_values.add(name)
            if any(fits):
                self._fits[name] = self._still_fitting(name, texts.str.strip_chars(" "), fits)

    def merge(self, other: ColumnTypes) -> None:
        """Add what another one has learned of later texts."""
        for name, fits in other._fits.items():
            known = self._fits.get(name, [True] * len(self._types))
            self._fits[name] = [both[0] and both[1] for both in zip(known, fits, strict=True)]
            self._missing.setdefault(name, set()).update(other._missing[name])
        self._has_values |= other._has_values

    def _still_fitting(self, name: str, texts: pl.Series, fits: Sequence[bool]) -> list[bool]:
        """Return which types keep these texts, too. Texts that often mean a missing value are noted and count for none."""
        kept = self._matching(texts, fits)
        if not any(kept):
            missing = texts.is_in(_MISSING)
            kept = self._matching(texts.filter(~missing), fits)
            self._missing[name].update(texts.filter(missing).unique())
        return kept

    def _matching(self, texts: pl.Series, fits: Sequence[bool]) -> list[bool]:
        """Return which of the types keep all texts. Values are parsed for those alone whose form all texts have."""
        frame, text = texts.to_frame("text"), pl.col("text")
        forms = {str(i): kind.matches(text).all() for i, kind in enumerate(self._types) if fits[i]}
        likely = [int(i) for i, all_match in frame.select(**forms).row(0, named=True).items() if all_match]
        parsed = {str(i): self._types[i].values(text).is_not_null().all() for i in likely if self._types[i].may_fail}
        values = frame.select(**parsed).row(0, named=True) if parsed else {}
        return [i in likely and values.get(str(i), True) for i in range(len(self._types))]

    @property
    def types(self) -> Mapping[str, CsvType | None]:
        """The type of each column; None for text."""
        return {name: None if self._missing.get(name) else self._first_fit(name) for name in self._fits}

    @property
    def notes(self) -> Sequence[str]:
        """Which columns are text only because of texts that often mean a missing value, and which have decimal commas."""
        firsts = {name: kind for name in self._fits if (kind := self._first_fit(name))}
        texts = {name: sorted(missing)[:3] for name, missing in self._missing.items() if missing and name in firsts}
        return [
            *(
                f"column {name!r} is text because of {', '.join(missing)}: "
                f"--null-values {','.join(missing)} makes it {firsts[name].kind}"
                for name, missing in texts.items()
            ),
            *(
                f"column {name!r} is read with decimal commas: 1,234 is 1.234"
                for name, kind in firsts.items()
                if kind is DECIMAL_COMMA and name not in texts
            ),
        ]

    def _first_fit(self, name: str) -> CsvType | None:
        if name not in self._has_values:
            return None
        return next((kind for kind, fits in zip(self._types, self._fits[name], strict=True) if fits), None)


def typed(columns: Iterable[str], types: Mapping[str, CsvType | pl.DataType | None]) -> list[pl.Expr]:
    """Return the columns with their types. A text that a type from Polars does not hold raises when it is met."""
    return [_typed(name, types[name]).alias(name) for name in columns]


def _typed(name: str, kind: CsvType | pl.DataType | None) -> pl.Expr:
    text = pl.col(name)
    if kind is None:
        return text
    if not isinstance(kind, CsvType):
        return text.cast(kind)
    return kind.values(text.str.strip_chars(" ")).cast(kind.kind)
