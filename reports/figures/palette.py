"""Holds the colours of the figures. On one page, a colour means one thing: a loader, a cause of waiting, or neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feedrate.reports.analysis.summarize import Row

LOADERS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7A5FD0", "#8A7A00", "#2590B8", "#A0603C")
"""Each has a contrast of at least 3 to 1 with the light and the dark page. Dashes and symbols tell apart those that share one."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "star", "hexagon", "bowtie", "cross", "x")
NEUTRAL = "#7A828C"
"""Whatever belongs to no loader, such as the ceiling."""
CAUSES = {
    "fetch": ("#3F6CB5", ""),
    "network": ("#3E8E9E", "|"),
    "decode": ("#B58A3F", "/"),
    "copy": ("#5B9A68", "x"),
    "overhead": ("#9AA0A6", "\\"),
    "contention": ("#B5536B", "."),
    "core": ("#6E5A4B", "-"),
}
"""Colour and pattern of each cause in `analysis.stall_split.CAUSES`. No loader has one of these colours."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a loader is drawn in every figure of a page."""

    colour: str
    dash: str
    symbol: str


def look(number: int, repeat: int = 0) -> Look:
    """Return the look of a page's n-th loader.

    repeat: how many rows of the same loader come before, in other runs or at other batch sizes. They share its colour.
    """
    turn = number // len(LOADERS) + repeat
    return Look(LOADERS[number % len(LOADERS)], DASHES[turn % len(DASHES)], SYMBOLS[(number + turn) % len(SYMBOLS)])


def looks(rows: Sequence[Row], loaders: Sequence[str] = ()) -> dict[str, Look]:
    """Return the look of each row, by its label.

    rows: all rows of the page, so that a loader looks the same in a figure that leaves out others.
    loaders: those that come first, for a page with figures of several comparisons.
    """
    numbers = {loader: number for number, loader in enumerate(loaders)}
    repeats: dict[str, int] = {}
    result = {}
    for row in rows:
        number = numbers.setdefault(row.loader, len(numbers))
        repeats[row.loader] = repeats.get(row.loader, -1) + 1
        result[row.label] = look(number, repeats[row.loader])
    return result
