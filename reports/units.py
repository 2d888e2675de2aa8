"""Formats numbers as text for people. This is the only module that does. None always becomes a dash."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from math import floor, inf, isfinite, log10

NONE = "-"
"""Text for a quantity that was not measured."""
NO_BREAK = "\N{NO-BREAK SPACE}"
_BEFORE_A_UNIT = re.compile(
    r"(?<=\d) (?=(%|times|rounds?|rows|seconds|minutes|hours|s|ms|us|[TGMk]?B|[kMGT]|rows/s)\b|%)"
    r"|(?<=\d) (?=to [-+]?\d+(?:\.\d+)?(?:\)| times))|(?<=\d to) (?=[-+]?\d)|(?<=[kMG]) (?=rows/s)|(?<=n) (?== \d)|(?<=n =) (?=\d)"
)
"""Spaces at which no line may end."""
PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
"""SI prefixes of counts, largest first."""


TIMES = 1.5
"""A ratio of at least this, or of at most `FRACTION`, is written as "17 times" or "17 times slower", any other one as a percentage."""
FRACTION = 0.5
"""See `TIMES`."""
RATE_WORDS = ("faster", "slower")
"""Words for rates above and below others."""
MAX_SPAN = 100.0
"""Upper end of an interval divided by its lower end, above which an undecided ratio is not shown at all."""


def kept_together(text: str) -> str:
    """Return the text with no-break spaces between numbers and their units, so that no line ends there."""
    return _BEFORE_A_UNIT.sub(NO_BREAK, text)


def quotient(value: float, divisor: float) -> float | None:
    """Divide. None if the divisor is 0, or so small that the result is more than a float can hold."""
    result = value / divisor if divisor else inf
    return result if isfinite(result) else None


def format_count(value: float | None) -> str:
    """Format a number with an SI prefix: 1234567 -> "1.23 M"."""
    if value is None:
        return NONE
    for factor, prefix in PREFIXES:
        if abs(value) >= factor:
            return f"{format_three_digits(value / factor)} {prefix}"
    return format_three_digits(value)


def common_prefix(values: Iterable[float]) -> tuple[float, str]:
    """Return the SI factor and prefix in which all these values can be read, such as (1e6, "M ").

    The smallest one is at least 0.1 in it, so that it keeps two digits.
    """
    smallest = min((abs(value) for value in values if value), default=0.0)
    return next(((factor, f"{prefix} ") for factor, prefix in PREFIXES if smallest >= factor / 10), (1.0, ""))


def format_in(value: float, factor: float) -> str:
    """Format a number in units of this factor with three significant digits: (12345678, 1e6) -> "12.3"."""
    scaled = value / factor
    return f"{scaled:,.0f}" if abs(scaled) >= 100 else format_three_digits(scaled)


def format_ratio(value: float) -> str:
    """Format a ratio with three significant digits and no exponent: 0.01234 -> "0.0123", 343.2 -> "343"."""
    places = max(2 - floor(log10(abs(value))), 0) if value else 0
    return f"{value:,.{places}f}"


def format_rate(rows_per_s: float | None) -> str:
    """Format a throughput: 1234567 -> "1.23 M rows/s"."""
    if rows_per_s is None:
        return NONE
    return f"{format_count(rows_per_s)} rows/s"


def format_size(n_bytes: float | None) -> str:
    """Format bytes in decimal units: 2_000_000_000 -> "2.00 GB"."""
    if n_bytes is None:
        return NONE
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(n_bytes) >= factor:
            return f"{format_three_digits(n_bytes / factor)} {unit}"
    return f"{n_bytes:.0f} B"


def format_seconds(value: float | None) -> str:
    """Format a duration given in seconds: 0.00123 -> "1.23 ms"."""
    if value is None:
        return NONE
    for unit, factor in (("s", 1.0), ("ms", 1e-3)):
        if abs(value) >= factor:
            return f"{format_three_digits(value / factor)} {unit}"
    return f"{format_three_digits(value * 1e6)} us"


def format_ends(low: float, high: float, text: Callable[[float | None], str]) -> str:
    """Format the ends of an interval: "2.00 to 3.00". An end that cannot be is left out: "up to 3.00", or "0.7000 or more" of an AUC.

    Nothing that reports show is below 0, and no AUC is above 1.
    """
    below, above = low < 0, text is format_auc and high > 1
    if below and above:
        return "anything"
    if below or above:
        return f"up to {text(high)}" if below else f"{text(low)} or more"
    return f"{text(low)} to {text(high)}"


def format_duration(seconds: float) -> str:
    """Format a time to wait: 40 -> "40 s", 300 -> "5 min", 5000 -> "1 h 23 min"."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def format_rough_duration(seconds: float) -> str:
    """Format a duration that is only roughly known: 43 -> "40 seconds", 130 -> "2 minutes", 9000 -> "2.5 hours"."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 90 * 60 else f"{seconds / 3600:.1f} hours"


def format_percent(fraction: float | None) -> str:
    """Format a fraction as a percentage: 0.985 -> "98.5 %". A value that rounds to zero has no sign."""
    return NONE if fraction is None else f"{fraction * 100:z.1f} %"


def format_three_decimals(value: float | None) -> str:
    """Format a number with three decimals: 0.98765 -> "0.988"."""
    return NONE if value is None else f"{value:.3f}"


def format_change(fraction: float) -> str:
    """Format a relative change with its sign: 0.0123 -> "+1.2 %". A value that rounds to zero has no minus."""
    return f"{fraction * 100:+z.1f} %"


def format_two_digits(value: float) -> str:
    """Format a number with two significant digits, or as a whole number from 10 on: 17.4 -> "17", 2.345 -> "2.3"."""
    return f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.2g}"


def format_times(*values: float) -> tuple[str, ...]:
    """Format factors with the places of the first one, which has two significant digits: 1.92, 1.8, 2.1 -> "1.9", "1.8", "2.1".

    Values that differ get a third digit if two would make them look the same.
    """
    first = abs(values[0])
    for digits in (2, 3):
        places = max(digits - 1 - floor(log10(first)), 0) if first and isfinite(first) else 0
        texts = tuple(f"{value:.{places}f}" for value in values)
        if len(set(texts)) == len(set(values)):
            break
    return texts


def format_setting(value: object) -> str:
    """Format the value of a setting without Python's notation: True -> "yes", (128, 64) -> "128, 64". Options of loaders are such text already."""
    if isinstance(value, tuple | list):
        return ", ".join(map(format_setting, value)) or "none"
    text = str(value)
    if text[:1] + text[-1:] in ("()", "[]", "{}"):
        return ", ".join(part.strip().strip("'\"") for part in text[1:-1].strip(", ").split(",")) or "none"
    return {"True": "yes", "False": "no", "None": "none", "": "none"}.get(text, text.strip("'\""))


def format_factor(value: float, base: str = "", words: tuple[str, str] = RATE_WORDS) -> str:
    """Format a ratio: "17 times nvtabular" beyond half and one and a half, otherwise "+1.2 % against nvtabular"."""
    if in_times(value):
        return format_fold(value, base, words) + f" {words[1]}" * (value < 1 and not base)
    return f"{format_change(value - 1)}{f' against {base}' if base else ''}"


def format_factor_span(low: float, high: float, base: str = "", words: tuple[str, str] = RATE_WORDS) -> str:
    """Format the ends of an open ratio: "2.3 times slower to 4.4 times faster". Empty if they say nothing."""
    if low <= 0 or high / low > MAX_SPAN:
        return ""
    ends = (
        f"{format_fold(end)} {words[end < 1]}" if format_times(fold(end)) != ("1.0",) else "the same"
        for end in (low, high)
    )
    return f"{' to '.join(ends)}{f' than {base}' if base else ''}"


def format_fold(value: float, base: str = "", words: tuple[str, str] = RATE_WORDS, ends: Sequence[float] = ()) -> str:
    """Return how many times more or less a ratio is: "17 times", "17 times nvtabular" or "17 times slower than nvtabular"."""
    size = f"{format_times(fold(value), *ends)[0]} times"
    return f"{size}{f' {words[1]} than' * (value < 1)} {base}" if base else size


def fold(value: float) -> float:
    """Return how many times more or less a ratio is, as a number from 1 on."""
    return value if value >= 1 else quotient(1.0, value) or inf


def in_times(value: float) -> bool:
    """Return whether a ratio is written as "17 times"."""
    return value >= TIMES or value <= FRACTION


def format_auc(value: float | None) -> str:
    """Format an AUC with four decimals: 0.78654 -> "0.7865"."""
    return NONE if value is None else f"{value:.4f}"


def format_three_digits(value: float) -> str:
    """Format a number with three significant digits and no exponent: 1.2345 -> "1.23"."""
    if value == 0:
        return "0"
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f}"
