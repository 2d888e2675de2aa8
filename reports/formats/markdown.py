"""A comparison as Markdown."""

from __future__ import annotations

from feedrate.reports.analysis.summarize import Comparison
from feedrate.reports.formats.headline import answer
from feedrate.reports.formats.sentences import notes
from feedrate.reports.formats.table import cells
from feedrate.reports.names import in_markdown


def write_markdown(comparison: Comparison) -> str:
    """Return the table with the answer above and the notes below. Markup in names is inert."""
    head, *body = ([in_markdown(cell) for cell in line] for line in cells(comparison))
    lines = [
        in_markdown(answer(comparison)),
        "",
        _markdown_line(head),
        _markdown_line(["---"] + ["---:"] * (len(head) - 1)),
    ]
    lines += [_markdown_line(line) for line in body]
    lines += ["", *(f"- <!-- -->{in_markdown(note)}" for note in notes(comparison))]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_line(words: list[str]) -> str:
    return f"| {' | '.join(words)} |"
