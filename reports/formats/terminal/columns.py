"""Lays columns out for any width: as a table, with each name on a line of its own, or as one block a row. No cell is cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from feedrate.reports import units
from feedrate.reports.formats.terminal.letters import in_encoding
from feedrate.reports.formats.terminal.paragraphs import paragraph_lines
from feedrate.reports.names import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

TABLE_WIDTH = 80
"""Narrower terminals get blocks instead of tables."""
GAP = 2
"""Spaces between two columns, and before what continues a name."""
UNDER_WIDTH = 22
"""Width of what stands below a cell, in characters."""
_BREAK = re.compile(r"(?<=\w)[-:=_/]|[.,](?!\d)| ")
"""Where a name may be broken: never inside a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of text. The first one of a table holds the names."""

    title: str
    cells: Sequence[str]
    unit: str = ""
    """Second line of the head."""
    joint: str = ", "
    """What stands between title and unit on one line."""
    rank: int = 0
    """If the table is too wide, columns over 0 are left out, those with the highest rank first. Blocks have 0 and 1."""
    under: bool = False
    """Whether its cells stand below those of the column before it if the table is too wide. Then it is not left out."""
    left: bool = False
    """Whether the cells stand on the left. Names do."""
    styles: Sequence[str] = ()
    """A style of Rich for each cell. Default: none."""

    def style(self, row: int) -> str:
        """Return the style of a cell."""
        return self.styles[row] if self.styles else ""


def print_columns(console: Console, columns: Sequence[Column]) -> None:
    """Print the columns in the form that fits the console."""
    drawn = [_in_letters_of(console, column) for column in columns]
    for line in _lines(drawn, console.width, in_encoding("─", console.encoding)):
        console.print(line, soft_wrap=True)


def _in_letters_of(console: Console, column: Column) -> Column:
    def written(text: str) -> str:
        return in_encoding(plain(text), console.encoding)

    return replace(
        column, title=written(column.title), unit=written(column.unit), cells=[written(cell) for cell in column.cells]
    )


def _lines(columns: Sequence[Column], width: int, rule: str) -> Iterator[Text]:
    names, *values = columns
    if width >= TABLE_WIDTH:
        merged = _merged(values)
        for kept in (values, *_without_ranks(merged)):
            if _width([names, *kept]) <= width:
                return _table([names, *kept], rule)
        needed = [column for column in merged if column.rank == 0]
        if _width(needed) + GAP <= width:
            return _named_lines(names, needed, width, rule)
    return _blocks(names, [column for column in values if column.rank < 2], width)


def _merged(columns: Sequence[Column]) -> list[Column]:
    """Return the columns with those below others that may stand there: each cell and the unit get further lines."""
    merged: list[Column] = []
    for column in columns:
        if not column.under:
            merged.append(column)
            continue
        above = merged.pop()
        cells = [
            cell if more == units.NONE else "\n".join([cell, *_narrow(more)])
            for cell, more in zip(above.cells, column.cells, strict=True)
        ]
        merged.append(replace(above, unit=f"{above.unit}\n{column.title}", cells=cells))
    return merged


def _narrow(text: str) -> list[str]:
    return [line.strip() for line in paragraph_lines(text, UNDER_WIDTH)]


def _without_ranks(columns: Sequence[Column]) -> Iterator[Sequence[Column]]:
    """Yield all columns, then those without the highest rank, and so on until only columns of rank 0 are left."""
    for limit in sorted({column.rank for column in columns}, reverse=True):
        yield [column for column in columns if column.rank <= limit]


def _width(columns: Sequence[Column]) -> int:
    return sum(map(_widest, columns)) + GAP * (len(columns) - 1)


def _widest(column: Column) -> int:
    from rich.cells import cell_len

    return max(cell_len(line) for text in (column.title, column.unit, *column.cells) for line in text.split("\n"))


def _table(columns: Sequence[Column], rule: str) -> Iterator[Text]:
    yield from _head(columns)
    yield _rule(columns, rule)
    for row in range(len(columns[0].cells)):
        yield from _row(columns, row)


def _named_lines(names: Column, values: Sequence[Column], width: int, rule: str) -> Iterator[Text]:
    """Each row is a line with the name, and below it a line with the values."""
    room = width - _width(values) - GAP
    indent = Column(
        title=names.title[:room], unit=names.unit, cells=[" " * min(room, GAP)] * len(names.cells), left=True
    )
    table = [indent, *values]
    yield from _head(table)
    yield _rule(table, rule)
    for row, name in enumerate(names.cells):
        yield from _folded(name, width)
        yield from _row(table, row)


def _blocks(names: Column, values: Sequence[Column], width: int) -> Iterator[Text]:
    """Each row is a block: the name, and below it a line for each value that was measured.

    The values stand in a column of their own. If one of them is too long for it, each follows its title in all blocks.
    """
    from rich.text import Text

    titles = [f"{column.title}{column.joint}{column.unit}" if column.unit else column.title for column in values]
    longest = max(map(len, titles), default=0)
    longest_cell = max((len(cell) for column in values for cell in column.cells), default=0)
    gap = GAP if GAP + longest + GAP + longest_cell <= width else 1
    aligned = GAP + longest + gap + longest_cell <= width
    for row, name in enumerate(names.cells):
        if row:
            yield Text("")
        yield from _folded(name, width, style="bold")
        for title, column in zip(titles, values, strict=True):
            cell = column.cells[row]
            if cell == units.NONE:
                continue
            if aligned:
                yield Text.assemble(f"{'':{GAP}}{title:<{longest}}{'':{gap}}", (cell, column.style(row)))
            else:
                yield from _after(title, cell, width, column.style(row))


def _after(title: str, cell: str, width: int, style: str) -> Iterator[Text]:
    """Yield a title with a value after it, in as many lines as they need. Numbers and their units stay together."""
    from rich.text import Text

    first, *rest = (
        line.plain for part in paragraph_lines(f"{'':{GAP}}{title}: {cell}", width) for line in _folded(part, width)
    )
    at = min(GAP + len(title) + 2, len(first))
    yield Text.assemble(first[:at], (first[at:], style))
    yield from (Text(line, style=style) for line in rest)


def _folded(name: str, width: int, style: str = "") -> Iterator[Text]:
    """Yield a name in lines of at most this width, broken after punctuation if it has some in the second half of a line."""
    from rich.text import Text

    indent = ""
    while name:
        line = indent + name
        end = len(name)
        if len(line) > width:
            end = max(width - len(indent), 1)
            breaks = [place.end() for place in _BREAK.finditer(name, end // 2, end)]
            end = breaks[-1] if breaks else end
        yield Text(indent + name[:end], style=style)
        name, indent = name[end:], " " * GAP


def _head(columns: Sequence[Column]) -> Iterator[Text]:
    yield _line(columns, [column.title for column in columns])
    if any(column.unit for column in columns):
        for units_of_line in zip_longest(*(column.unit.split("\n") for column in columns), fillvalue=""):
            yield _line(columns, units_of_line)


def _row(columns: Sequence[Column], row: int) -> Iterator[Text]:
    """Yield a row. Only its first line has the cells' styles."""
    lines = zip_longest(*(column.cells[row].split("\n") for column in columns), fillvalue="")
    for number, cells in enumerate(lines):
        yield _line(columns, cells, row if number == 0 else None)


def _rule(columns: Sequence[Column], rule: str) -> Text:
    from rich.text import Text

    return Text(rule * _width(columns))


def _line(columns: Sequence[Column], cells: Sequence[str], row: int | None = None) -> Text:
    from rich.text import Text

    line = Text()
    for number, (column, cell) in enumerate(zip(columns, cells, strict=True)):
        text = Text(cell, style="" if row is None else column.style(row))
        text.align("left" if column.left or number == 0 else "right", _widest(column))
        line.append(" " * GAP * (number > 0)).append_text(text)
    line.rstrip()
    return line
