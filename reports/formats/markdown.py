"""A comparison as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from feedrate.reports.analysis.summarize import Comparison
from feedrate.reports.formats.headline import answer
from feedrate.reports.formats.sentences import notes
from feedrate.reports.formats.table import cells
from feedrate.reports.names import in_markdown


def write_markdown(comparison: Comparison) -> str:
    """Return the table with the answer above and the notes below. Markup in names is inert."""
    rows = [[in_markdown(cell) for cell in line] for line in cells(comparison)]
    lines = [in_markdown(answer(comparison)), "", *markdown_table(rows), ""]
    lines += [f"- <!-- -->{in_markdown(note)}" for note in notes(comparison)]
    return "\n".join(lines).rstrip() + "\n"


def markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table. The first row is the head, the first column is on the left, and markup is kept."""
    head, *body = rows
    return [*map(_markdown_line, [head, ["---"] + ["---:"] * (len(head) - 1), *body])]


def _markdown_line(words: Sequence[str]) -> str:
    return f"| {' | '.join(words)} |"
