"""Draws the trial that is running: which one of how many, the time left, the loader's phase and its rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from feedrate.bench.cli.run.trial_count import TrialCount
from feedrate.reports.names import middle, plain

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from feedrate.bench.results.messages import Progress
    from feedrate.bench.results.spec import TrialSpec

BAR_WIDTH = 20
BESIDE = 26
"""Characters that percentage, rate and the spaces between columns take."""
MIN_WIDTH_OF_BAR = 70
"""Narrower terminals have no bar, only the percentage."""


@contextmanager
def trial_bars(count: TrialCount) -> Iterator[Callable[[TrialSpec], Progress]]:
    """Draw two lines while trials run. The function takes a spec and returns the progress callback of its trial.

    A terminal that cannot move its cursor gets a line when a trial starts. A pipe or file gets none.
    """
    from feedrate.bench.cli.terminal import err, say

    if err.is_dumb_terminal:
        yield lambda spec: _announced(spec, count, say)
    elif not err.is_interactive:
        yield lambda _spec: _nothing
    else:
        with _bars(err.width) as bars:
            yield _drawn(bars, count, err.width)


def _announced(spec: TrialSpec, count: TrialCount, say: Callable[[str], None]) -> Progress:
    left = count.time_left()
    say(f"trial {count.name(count.finished + 1)}: {spec.loader} {spec.mode}" + (f", {left}" if left else ""))
    return _nothing


def _nothing(_phase: str, _done: int, _total: int) -> None:
    """Draw nothing."""


def _bars(width: int) -> Bars:
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bars

    from feedrate.bench.cli.terminal import Rate, err

    columns = [TextColumn("{task.description}", markup=False), TaskProgressColumn(), Rate("rows")]
    if width >= MIN_WIDTH_OF_BAR:
        columns.insert(1, BarColumn(bar_width=BAR_WIDTH))
    return Bars(*columns, console=err, transient=True)


def _drawn(bars: Bars, count: TrialCount, width: int) -> Callable[[TrialSpec], Progress]:
    """Return the function that starts a trial's two lines: one for the trials, and one for the rows of the current trial."""
    room = width - BESIDE - (BAR_WIDTH + 1) * (width >= MIN_WIDTH_OF_BAR)
    rows = bars.add_task("", total=None)

    def progress(spec: TrialSpec) -> Progress:
        def show(phase: str, done: int, total: int) -> None:
            if done == 0:
                bars.reset(rows)
            number = f"trial {count.name(count.finished + 1)}"
            words = f"{spec.mode}: {phase}"
            name = middle(plain(spec.loader), max(room - len(words) - 1, 8))
            left = count.time_left()
            head = f"{number}, {left}" if left else number
            bars.update(rows, description=f"{head}\n{name} {words}", completed=done, total=total)

        return show

    return progress
