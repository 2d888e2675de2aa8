"""The errors a user can cause or meet: one sentence each, no traceback, exit code 2."""

from collections.abc import Sequence
from math import isfinite
from numbers import Integral
from pathlib import Path


class FeedrateError(Exception):
    """What is wrong, the offending value and the way out, in one sentence."""


class LoaderUnavailable(FeedrateError):
    """A loader's library or device is missing here; the sentence says how to get it."""


def whole_number(value: object) -> bool:
    """NumPy's are; True is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def require_whole(name: str, value: object, least: int) -> None:
    """Raises FeedrateError for what is no whole number, or under `least`."""
    if not whole_number(value):
        raise FeedrateError(f"{name} is {value!r}, but must be a whole number")
    if value < least:  # type: ignore[operator]
        raise FeedrateError(f"{name} is {value}, but must be at least {least}")


def require_bool(name: str, value: object) -> None:
    """Raises FeedrateError for what is neither True nor False."""
    if not isinstance(value, bool):
        raise FeedrateError(f"{name} is {value!r}, but must be True or False")


def require_distinct(name: str, values: Sequence[object]) -> None:
    """Raises FeedrateError where one of them comes twice."""
    if len(set(values)) < len(values):
        raise FeedrateError(f"{name} names one twice: {', '.join(map(str, values))}: name each once")


def require_no_file(name: str, folder: Path) -> None:
    """Raises FeedrateError where a file lies where a folder is to be made."""
    if folder.is_file():
        raise FeedrateError(f"{name} is {folder}, which is a file: name a folder")


def require_over_zero(name: str, value: float, hint: str = "") -> None:
    """Raises FeedrateError for what is no finite number over 0."""
    if not (isfinite(value) and value > 0):
        raise FeedrateError(f"{name} is {value:g}, but must be over 0 and finite{hint}")
