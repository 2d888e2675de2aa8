"""Replaces what a terminal's encoding lacks: bars, arrows and the like by ASCII, any other character by its code."""

from __future__ import annotations

import codecs

HANDLER = "feedrate.ascii"
"""Name of the error handler of `register`, for `reconfigure(errors=...)` of a text stream."""
REPLACEMENTS = {
    **dict(zip("▁▂▃▄▅▆▇█", "_.-=+*%#", strict=True)),
    **dict.fromkeys("\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{EN DASH}—─━╸╺╌", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}", "'"),
    **dict.fromkeys("·•●", "*"),
    "±": "+-",
    "\N{MULTIPLICATION SIGN}": "x",
    "µ": "u",
    "…": "...",
    "→": "->",
    "▲": "^",
    "▼": "v",
    "\N{REPLACEMENT CHARACTER}": "?",
}
"""What each character becomes if the encoding lacks it."""


def register() -> None:
    """Register the error handler HANDLER, so that no text raises UnicodeEncodeError."""
    codecs.register_error(HANDLER, _replaced)


def in_encoding(text: str, encoding: str) -> str:
    """Return the text with everything replaced that the encoding lacks. Tables need it before they measure their cells."""
    register()
    return text.encode(encoding, HANDLER).decode(encoding)


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    if all(character in REPLACEMENTS for character in lacking):
        return "".join(REPLACEMENTS[character] for character in lacking), error.end
    if lacking[0] in REPLACEMENTS:
        return REPLACEMENTS[lacking[0]], error.start + 1
    error.end = error.start + 1
    return codecs.backslashreplace_errors(error)
