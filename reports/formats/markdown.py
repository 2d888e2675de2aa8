"""A comparison as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from feedrate.reports.analysis.answers.answer import AnswerLine, lines
from feedrate.reports.analysis.answers.open_verdicts import leaders
from feedrate.reports.analysis.summarize import Comparison
from feedrate.reports.formats.sentences import notes
from feedrate.reports.formats.table import cells
from feedrate.reports.names import in_markdown, plain


def write_markdown(comparison: Comparison) -> str:
    """Return the table with the answers above and the notes below. Markup in names is inert."""
    rows = [[in_markdown(cell) for cell in line] for line in cells(comparison)]
    text = [part for line in lines(comparison) for part in (_paragraph(line), "")] + [*markdown_table(rows), ""]
    text += [f"- <!-- -->{in_markdown(note)}" for note in notes(comparison, leaders(comparison))]
    return "\n".join(text).rstrip() + "\n"


def _paragraph(line: AnswerLine) -> str:
    """Return a sentence with inert markup. A command is indented, so it is code that can be copied."""
    return f"    {plain(line.text)}" if line.kind == "command" else in_markdown(line.text)


def markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table. The first row is the head, the first column is on the left, and markup is kept."""
    head, *body = rows
    return [*map(_markdown_line, [head, ["---"] + ["---:"] * (len(head) - 1), *body])]


def _markdown_line(words: Sequence[str]) -> str:
    return f"| {' | '.join(words)} |"
