"""Text from records made fit to be shown, and names of files that no record can choose."""

from __future__ import annotations

import re
from hashlib import sha256

MAX_CHARACTERS = 60
"""Characters of a name in a table or a figure."""


def plain(text: str) -> str:
    """Control characters and marks that turn the direction of text are replaced: a terminal would obey them."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


MARKDOWN = {
    **{c: f"\\{c}" for c in "\\`*_{}[]<>!|~"},
    "&": "&amp;",
    **{c: f"{c}<!-- -->" for c in "@#$"},
    "GH-": "GH<!-- -->-",
    "://": ":<!-- -->//",
    "www.": "www<!-- -->.",
}
"""What each is written as, so that it is only itself: no link, image, mention, markup or end of a cell."""
_MARKED = re.compile("|".join(map(re.escape, MARKDOWN)))


def in_markdown(text: str) -> str:
    """Text that says the same in GitHub's Markdown, on one line."""
    return _MARKED.sub(lambda found: MARKDOWN[found[0]], plain(" ".join(text.split())))


def short(text: str) -> str:
    """`plain`, and a long name cut; a hash at its end keeps two long names apart."""
    shown = plain(text)
    return shown if len(shown) <= MAX_CHARACTERS else f"{shown[: MAX_CHARACTERS - 8]}… {_hash(text)[:6]}"


def file_name(*parts: str) -> str:
    """A name of a-z, 0-9 and dashes for an HTML file; equal only where all parts are equal."""
    words = re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower())[:MAX_CHARACTERS].strip("-")
    return f"{words or 'page'}-{_hash(chr(0).join(parts))[:12]}.html"


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
