"""The code blocks of a page, with what comments above them say. GitHub and the site do not show these comments.

<!-- not run: REASON -->           the block is left out, and the test reports why
<!-- file: NAME -->                the block is saved under this name
<!-- given: NAME is a KIND -->     the page takes this for granted, so the test makes it. KIND is one of `given.KINDS`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
)
LANGUAGES = ("sh", "console", "python")
MARKED_BLOCK = re.compile(r"(?ms)^((?:[ ]*<!-- (?:not run|file|given): [^\n]*-->\n\s*?)*)([ ]*)```(\w+)\n(.*?)^\2```")
MARK = re.compile(r"<!-- (not run|file|given): (.*?) -->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of shell or Python."""

    page: str
    line: int
    language: str
    code: str
    left_out: str
    """Why the test does not run it. Empty: it runs."""
    file: str
    """Name under which it is saved. Empty: it is run."""
    given: tuple[tuple[str, str], ...]
    """(name, kind) of what the page takes for granted from here on."""

    @property
    def place(self) -> str:
        """Page and line."""
        return f"{self.page}:{self.line}"


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page that hold shell or Python."""
    text = (ROOT / page).read_text()
    for match in MARKED_BLOCK.finditer(text):
        above, _, language, code = match.groups()
        if language in LANGUAGES:
            marks = MARK.findall(above)
            yield Block(
                page=page, line=text.count("\n", 0, match.start(2)) + 1, language=language, code=dedent(code),
                left_out=_only(marks, "not run"), file=_only(marks, "file"),
                given=tuple(_given(words) for kind, words in marks if kind == "given"),
            )  # fmt: skip


def _only(marks: list[tuple[str, str]], kind: str) -> str:
    return next((words for name, words in marks if name == kind), "")


def _given(words: str) -> tuple[str, str]:
    name, _, kind = words.partition(" is a ")
    return name, kind
