"""Errors that a user can cause or meet, and the checks that raise them.

The command line prints the message without a traceback and exits with 2.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf, isfinite
from numbers import Integral
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")


MAX_SENTENCES = 50
"""Errors of one input that are shown."""


class FeedrateError(Exception):
    """An error for the user. The message says what is wrong, with the offending value, and what to do about it."""


class Faults(FeedrateError):
    """Several errors of one input. The message has a line for each of them."""

    def __init__(self, sentences: Sequence[str]) -> None:
        """sentences: at least one, each without a line end."""
        self.sentences = tuple(sentences)
        super().__init__("\n".join(self.lines))

    @property
    def lines(self) -> list[str]:
        """The sentences that are shown, below their number if there are several."""
        count = len(self.sentences)
        head = [f"{count} problems:"] if count > 1 else []
        more = [f"and {count - MAX_SENTENCES} more"] if count > MAX_SENTENCES else []
        return [*head, *self.sentences[:MAX_SENTENCES], *more]


class LoaderUnavailable(FeedrateError):
    """A loader's library or device is missing on this machine. The message says how to get it."""


MAX_WHOLE = 2**63 - 1
"""Largest count, size or seed. Arrow, NumPy and torch take no larger one."""


def whole_number(value: object) -> bool:
    """True for Python's and NumPy's integers, False for anything else, including True and False."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def require_whole(name: str, value: object, minimum: int) -> None:
    """Raise FeedrateError unless `value` is a whole number of at least `minimum` that fits 64 bits."""
    if not whole_number(value):
        raise FeedrateError(f"{name} is {value!r}, but must be a whole number")
    if value < minimum:  # type: ignore[operator]
        raise FeedrateError(f"{name} is {value}, but must be at least {minimum}")
    if value > MAX_WHOLE:  # type: ignore[operator]
        raise FeedrateError(f"{name} is over {MAX_WHOLE:,}, the largest whole number of 64 bits")


def require_bool(name: str, value: object) -> None:
    """Raise FeedrateError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise FeedrateError(f"{name} is {value!r}, but must be True or False")


def require_distinct(name: str, values: Sequence[object]) -> None:
    """Raise FeedrateError if a value occurs more than once."""
    duplicates = repeated(values)
    if duplicates:
        raise FeedrateError(f"{name} contains duplicates: {', '.join(map(str, duplicates))}")


def repeated(values: Iterable[Value]) -> list[Value]:
    """Return the values that occur more than once, as often as they occur."""
    values = list(values)
    counts = Counter(values)
    return [value for value in values if counts[value] > 1]


def require_no_file(name: str, folder: Path) -> None:
    """Raise FeedrateError if a file exists at the path of a folder that is to be created."""
    if folder.is_file():
        raise FeedrateError(f"{name} is {folder}, which is a file: specify a folder")


def require_over_zero(name: str, value: float, maximum: float = inf, *, hint: str = "") -> None:
    """Raise FeedrateError unless `value` is finite, greater than 0 and at most `maximum`. `hint` is appended to the message."""
    if not (isfinite(value) and value > 0):
        bound = "greater than 0" if isfinite(value) else "finite and greater than 0"
        raise FeedrateError(f"{name} is {value:g}, but must be {bound}{hint}")
    if value > maximum:
        raise FeedrateError(f"{name} is {value:g}, but must be at most {maximum:,}{hint}")


def require_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raise FeedrateError unless `value` is one of the choices."""
    if value not in choices:
        raise FeedrateError(f"{name} is {value!r}, but must be one of {', '.join(map(str, choices))}")
