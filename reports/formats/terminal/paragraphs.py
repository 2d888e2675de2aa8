"""Prints sentences to a terminal, broken between words."""

from __future__ import annotations

import re
from textwrap import wrap
from typing import TYPE_CHECKING

from feedrate.reports.formats.terminal.letters import in_encoding
from feedrate.reports.names import plain

_NO_BREAK = "\N{NO-BREAK SPACE}"
"""`wrap` does not break here."""
_UNITS = re.compile(r"(?<=\d) (?=%|[kMG] rows|rows/s|times)|(?<=[kMG]) (?=rows/s)")
"""Spaces between a number and its unit."""

if TYPE_CHECKING:
    from rich.console import Console


def print_paragraph(console: Console, text: str, *, style: str = "") -> None:
    """Print one paragraph. Its lines fit the console, except for words that are longer, such as paths."""
    from rich.text import Text

    written = _UNITS.sub(_NO_BREAK, in_encoding(plain(text), console.encoding))
    lines = wrap(written, console.width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    for line in lines or [""]:
        console.print(Text(line.replace(_NO_BREAK, " "), style=style), soft_wrap=True)
