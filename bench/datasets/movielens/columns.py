"""MovieLens' columns by name, however a copy writes the name: userId, UserID, user_id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from feedrate.loaders.error_text import one_line
from feedrate.loaders.errors import FeedrateError

MAX_ID = 50_000_000
"""Ids are counted in tables of this size. MovieLens' own ids are below 300,000."""
SPELLINGS = {
    "userId": ("userid",),
    "movieId": ("movieid", "itemid"),
    "rating": ("rating",),
    "genres": ("genres",),
}
"""Names without case, spaces and underscores. 100K's documentation calls a movie an item."""


def find_columns(names: Sequence[str], wanted: Sequence[str], path: Path) -> dict[str, str]:
    """Return the file's own name of each wanted column. Raises FeedrateError for a column that is missing or ambiguous."""
    columns = {}
    for column in wanted:
        matches = [name for name in names if name.lower().replace("_", "").replace(" ", "") in SPELLINGS[column]]
        if len(matches) != 1:
            problem = f"several columns for {column}" if matches else f"no column {column}"
            shown = one_line(", ".join(matches or names), 100)
            raise FeedrateError(
                f"{path} has {problem}. Its columns are {shown}: the first line must name {', '.join(wanted)} once each"
            )
        columns[column] = matches[0]
    return columns
