"""Standard output is for results, standard error for the rest: lines, bars, and the two consoles."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

from feedrate.reports import units
from feedrate.reports.names import plain

NO_LIMIT = 10_000
"""Width of a pipe or file, in characters, if COLUMNS does not give another."""


class PlainConsole(Console):
    """A console that escapes what a terminal would obey: names of strangers' columns and loaders may hold anything."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the parts of what is printed, with line ends as they are."""
        for text, style, control in super().render(renderable, options):
            lines = text if control or text.isprintable() else "\n".join(map(plain, text.split("\n")))
            yield Segment(lines, style, control)


def output_console(*, stderr: bool = False) -> Console:
    """Return the console of standard output or error, as wide as COLUMNS or the terminal. A pipe has no width of its own."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return PlainConsole(stderr=stderr, emoji=False, highlight=False, width=int(columns), height=25)
    width = None if (sys.stderr if stderr else sys.stdout).isatty() else NO_LIMIT
    return PlainConsole(stderr=stderr, emoji=False, highlight=False, width=width)


out = output_console()
err = output_console(stderr=True)
Result = TypeVar("Result")


def say(line: str) -> None:
    """Print one line beside the results, unbroken in any terminal, without Rich's markup."""
    err.print(line, markup=False, soft_wrap=True)


class Rate(ProgressColumn):
    """Rows or bytes per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Return the rate as text; empty before it is known."""
        return Text("" if task.speed is None else f"{units.format_count(task.speed)} {self._unit}/s")


def with_bar(unit: str, work: Callable[[Callable[[int, int], None]], Result]) -> Result:
    """Call `work(progress)`, whose progress(done, total) moves a bar labelled with the unit.

    A terminal that cannot move its cursor gets a line for each tenth.
    """
    if err.is_dumb_terminal:
        return work(_lines(unit))
    columns = TextColumn(unit), BarColumn(), MofNCompleteColumn(), Rate(unit), TimeRemainingColumn()
    with Progress(*columns, console=err, transient=True, disable=not err.is_interactive) as bars:
        bar = bars.add_task(unit, total=None)
        return work(lambda done, total: bars.update(bar, completed=done, total=total))


def _lines(unit: str) -> Callable[[int, int], None]:
    tenths = 0

    def progress(done: int, total: int) -> None:
        nonlocal tenths
        if total and done * 10 // total > tenths:
            tenths = done * 10 // total
            say(f"{unit}: {tenths * 10} %")

    return progress
