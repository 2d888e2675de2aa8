"""Prints the answers of a comparison to a terminal: the same ones as on the page's first screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feedrate.reports.analysis.answers.answer import COMMAND, QUESTIONS, lines
from feedrate.reports.analysis.summarize import Comparison
from feedrate.reports.formats.terminal.letters import in_encoding
from feedrate.reports.formats.terminal.paragraphs import print_paragraph
from feedrate.reports.names import plain

if TYPE_CHECKING:
    from rich.console import Console


def print_answers(comparison: Comparison, console: Console) -> None:
    """Print a paragraph for each answer. A command stays on one line, so it can be copied."""
    from rich.text import Text

    for line in lines(comparison):
        if line.startswith(COMMAND):
            console.print(Text(in_encoding(plain(line), console.encoding)), soft_wrap=True)
        else:
            print_paragraph(console, line, style="" if line.startswith(QUESTIONS) else "bold")
