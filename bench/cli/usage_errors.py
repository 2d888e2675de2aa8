"""Typer's usage errors as one sentence that names the option and its value."""

from __future__ import annotations

import re
from collections.abc import Sequence

import typer

from feedrate.loaders.error_text import without_secrets

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""The base of Typer's usage errors. Newer versions of Typer keep it in a private copy of Click, so it has no public name."""
_PREFIXES = ("Value error, ", "Assertion failed, ")
"""Pydantic's words before a message of Typer's own."""
_BOUNDS = (
    (re.compile(r"Input should be greater than or equal to (\S+)"), r"at least \1"),
    (re.compile(r"Input should be less than or equal to (\S+)"), r"at most \1"),
    (re.compile(r"Input should be a valid integer.*"), "a whole number"),
    (re.compile(r"Input should be a valid number.*"), "a number"),
    (re.compile(r"'.*' is not one of ('.*')\.?"), r"one of \1"),
)
"""Typer's and Pydantic's messages, and the end of "OPTION is VALUE, but must be ..." for each."""
_MISSING = re.compile(r"Missing (option|argument) ([^.]+)\.")


def sentence(error: Exception, argv: Sequence[str]) -> str:
    """Describe a usage error. argv: the words of the command, in which the offending value is looked up."""
    option = _option(error)
    if not isinstance(error, typer.BadParameter) or option is None or not error.message:
        message = str(error.format_message())  # type: ignore[attr-defined]
        missing = _MISSING.fullmatch(message)
        return f"missing {missing[1]} {_unquoted(missing[2])}" if missing else message
    reason = error.message
    for prefix in _PREFIXES:
        reason = reason.removeprefix(prefix)
    value = _value_of(option, argv)
    for pattern, bound in _BOUNDS:
        if match := pattern.fullmatch(reason):
            shown = value if bound.startswith("at ") else repr(value)
            start = f"{option} is {shown}, but" if value is not None else option
            return f"{start} must be {_unquoted(match.expand(bound))}"
    if value is None or repr(value) in reason:
        return f"{option}: {reason}"
    return f"{option} is {value}: {reason[:1].lower()}{reason[1:]}"


def _option(error: Exception) -> str | None:
    names = getattr(getattr(error, "param", None), "opts", None) or [None]
    longest: str | None = max(names, key=lambda name: len(name or ""))
    return longest if longest and longest.startswith("-") else None


def _unquoted(names: str) -> str:
    return names.replace("'", "")


def _value_of(option: str, argv: Sequence[str]) -> str | None:
    """The word after the option, or after its equals sign; None if it was not typed."""
    for place, word in enumerate(argv):
        if word == option and place + 1 < len(argv):
            return without_secrets(argv[place + 1])
        if word.startswith(f"{option}="):
            return without_secrets(word.partition("=")[2])
    return None
