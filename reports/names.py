"""Makes text from records safe to show, and builds file names that no record can choose."""

from __future__ import annotations

import re
from hashlib import sha256
from unicodedata import category

MAX_CHARACTERS = 60
"""Maximum length, in characters, of a name in a table or a figure."""


def plain(text: str) -> str:
    """Escape control, direction and zero-width characters, because a terminal or browser would obey them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def visible(text: str) -> str:
    """Apply `plain`, but keep line ends, tabs and spaces that do not break, which no browser obeys."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or category(c) == "Zs" else plain(c) for c in text)


MARKDOWN = {
    **{c: f"\\{c}" for c in "\\`*_{}[]<>!|~"},
    "&": "&amp;",
    **{c: f"{c}<!-- -->" for c in "@#$"},
    "GH-": "GH<!-- -->-",
    "://": ":<!-- -->//",
    "www.": "www<!-- -->.",
}
"""Maps each special string to its escaped form, which cannot create a link, image, mention, markup or end of a cell."""
_SPECIAL = re.compile("|".join(map(re.escape, MARKDOWN)))


def in_markdown(text: str) -> str:
    """Escape text so that GitHub's Markdown shows it unchanged, on one line."""
    return _SPECIAL.sub(lambda match: MARKDOWN[match[0]], plain(" ".join(text.split())))


def short(text: str) -> str:
    """Apply `plain` and cut a name to `MAX_CHARACTERS`. A hash at the end keeps two long names apart."""
    cleaned = plain(text)
    return cleaned if len(cleaned) <= MAX_CHARACTERS else f"{cleaned[: MAX_CHARACTERS - 8]}… {_hash(text)[:6]}"


def middle(text: str, length: int) -> str:
    """Shorten a name in the middle to this length, at least 5. Loaders often differ at their ends."""
    if len(text) <= length:
        return text
    kept = max(length, 5) - 3
    return f"{text[: kept - kept // 2]}...{text[-(kept // 2) :]}"


def file_name(*parts: str) -> str:
    """Return an HTML file name of a-z, 0-9 and dashes. Two names are equal only if all their parts are equal."""
    words = re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower())[:MAX_CHARACTERS].strip("-")
    return f"{words or 'page'}-{_hash(chr(0).join(parts))[:12]}.html"


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
