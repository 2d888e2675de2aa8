"""Prints sentences to a terminal, broken between words, and commands, broken between options."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from feedrate.reports.formats.command_words import options
from feedrate.reports.formats.terminal.letters import in_encoding
from feedrate.reports.names import plain
from feedrate.reports.units import NO_BREAK, kept_together

if TYPE_CHECKING:
    from rich.console import Console

_INDENT = "  "
_GOES_ON = " \\"
"""What ends a line of a command that goes on in the next one."""


def print_paragraph(console: Console, text: str, *, style: str = "") -> None:
    """Print one paragraph. Its lines fit the console, except for words that are longer, such as paths."""
    from rich.text import Text

    for line in paragraph_lines(in_encoding(plain(text), console.encoding), console.width):
        console.print(Text(line, style=style), soft_wrap=True)


def paragraph_lines(text: str, width: int) -> list[str]:
    """Return the lines of a paragraph, all but the first two spaces further in. A number and its unit stay together."""
    indent = " " * (len(text) - len(text.lstrip(" "))) + _INDENT
    lines = wrap(kept_together(text), width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [line.replace(NO_BREAK, " ") for line in lines] or [""]


def print_command(console: Console, command: str) -> None:
    """Print a command that can be copied. If it is too long for a line, each line but the last ends with a backslash."""
    from rich.text import Text

    for line in command_lines(in_encoding(plain(command), console.encoding), console.width):
        console.print(Text(line), soft_wrap=True)


def command_lines(command: str, width: int) -> list[str]:
    """Return the lines of a command. An option and its value stay together."""
    if len(_INDENT + command) <= width:
        return [_INDENT + command]
    lines = [""]
    for part in options(command):
        line = f"{lines[-1]} {part}" if lines[-1] else _INDENT * min(len(lines), 2) + part
        if lines[-1] and len(line) + len(_GOES_ON) > width:
            lines.append(_INDENT * 2 + part)
        else:
            lines[-1] = line
    return [line + _GOES_ON for line in lines[:-1]] + lines[-1:]
