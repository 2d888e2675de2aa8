"""Parts of sentences about loaders that several answers share."""

from __future__ import annotations

from collections.abc import Sequence

from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.summarize import Row

MAX_NAMES = 3
"""How many loaders a sentence names."""


def names_of(rows: Sequence[Row], last: str = "and") -> str:
    """Return the names of loaders as "a", "a and b", "a, b and c" or "a, b, c and 2 more". last: word before the last name."""
    names = [row.label for row in rows]
    if len(names) > MAX_NAMES:
        return f"{', '.join(names[:MAX_NAMES])} {last} {len(rows) - MAX_NAMES} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def doubts_of(row: Row) -> str:
    """Return what must stand beside the word "fastest", in parentheses; empty if nothing must."""
    doubts = verdicts.correctness(row)
    return f" (but {' and '.join(doubts)})" if doubts else ""
