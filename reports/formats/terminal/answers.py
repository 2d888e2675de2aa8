"""Prints the answers of a comparison to a terminal: the same ones as on the page's first screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feedrate.reports.analysis.answers.answer import lines
from feedrate.reports.analysis.summarize import Comparison
from feedrate.reports.formats.terminal.paragraphs import print_command, print_paragraph

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"title": "bold", "about": "dim"}
"""Style of a line by its kind. Default: none."""


def print_answers(comparison: Comparison, console: Console) -> None:
    """Print a paragraph for each answer. A command is broken only between its options, in a way that a shell can read."""
    for line in lines(comparison):
        if line.kind == "command":
            print_command(console, line.text)
        else:
            print_paragraph(console, line.text, style=STYLES.get(line.kind, ""))
