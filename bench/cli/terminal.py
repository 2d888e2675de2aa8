"""Standard output is for results, standard error for the rest: lines, bars, and the two consoles."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

from feedrate.reports import units
from feedrate.reports.names import plain


class PlainConsole(Console):
    """A console that escapes what a terminal would obey: names of strangers' columns and loaders may hold anything."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the parts of what is printed, with line ends as they are."""
        for text, style, control in super().render(renderable, options):
            lines = text if control or text.isprintable() else "\n".join(map(plain, text.split("\n")))
            yield Segment(lines, style, control)


out = PlainConsole(emoji=False, highlight=False, width=None if sys.stdout.isatty() else 220)
err = PlainConsole(stderr=True, highlight=False)
Result = TypeVar("Result")


def say(line: str) -> None:
    """Print one line beside the results, unbroken in any terminal, without Rich's markup."""
    err.print(line, markup=False, soft_wrap=True)


class Rate(ProgressColumn):
    """Rows or bytes per second."""

    def render(self, task: Task) -> Text:
        """Return the rate as text; empty before it is known."""
        return Text("" if task.speed is None else f"{units.format_count(task.speed)}/s")


def with_bar(unit: str, work: Callable[[Callable[[int, int], None]], Result]) -> Result:
    """Call `work(progress)`, whose progress(done, total) moves a bar labelled with the unit."""
    columns = TextColumn(unit), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn()
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        bar = bars.add_task(unit, total=None)
        return work(lambda done, total: bars.update(bar, completed=done, total=total))
